"""How good estimates are: every results set foretold as if its device were new.

For each published or measured set, all sets of its device are left out; the probes are chosen,
looked up in the set, and every other model of it is estimated and compared. Beside it stand two
simpler ways, from the same probes:

- nearest: the times of one known set, multiplied by one factor; the set is the one whose ratios to
  the probes vary least;
- multiply-adds: time as a power of multiply-adds, fitted by least squares.
"""

from collections.abc import Iterator

import numpy as np
from scipy import stats

from bench import estimate
from bench.belief import Vector
from bench.estimate import Knowledge


def evaluation(known: Knowledge, *, count: int = estimate.PROBES) -> Iterator[dict[str, object]]:
    """One row per results set and measure with enough models, as a dictionary.

    Yields:
        run, measure, device, device_kind, models (how many were estimated), median_error,
        p90_error (shares: 0.05 is 5 %), coverage (of the 90 % interval), rank_correlation
        (Spearman), and of `nearest` and `multiply_adds` the same but coverage, as
        nearest_median_error and so on.
    """
    for column in sets_to_evaluate(known, count=count):
        yield evaluation_of(known, column, count=count)


def sets_to_evaluate(known: Knowledge, *, count: int = estimate.PROBES) -> list[int]:
    """The columns with enough models, where there is another device to learn from."""
    enough = known.log_s.notna().sum().to_numpy() >= 10 * count
    others = known.sets["device"].nunique() > 1
    return [int(column) for column in np.flatnonzero(enough)] if others else []


def evaluation_of(
    known: Knowledge, column: int, *, count: int = estimate.PROBES
) -> dict[str, object]:
    """What `evaluation` yields of one column of known.log_s."""
    target = known.sets.iloc[column]
    rest = known.without(known.sets["device"] == target["device"])
    believed = estimate.belief_about(rest, target)
    truth = known.log_s.iloc[:, column].reindex(believed.models).to_numpy(dtype=float)
    allowed = estimate.may_be_probe(known, believed.models, target["device_kind"])
    chosen = believed.choose(allowed & np.isfinite(truth), count)
    log_s, half_width = believed.given(chosen, truth[chosen])
    asked = np.isfinite(truth)
    asked[chosen] = False
    error = np.abs(log_s - truth)[asked]
    row = {name: target[name] for name in ("run", "measure", "device", "device_kind")}
    row |= {"models": int(asked.sum()), "coverage": float(np.mean(error <= half_width[asked]))}
    row |= _errors("", log_s, truth, asked)
    others = rest.log_s.reindex(believed.models).to_numpy(dtype=float)
    row |= _errors("nearest_", _nearest(others, truth, chosen), truth, asked)
    multiply_adds = np.log(known.features["multiply_adds"].loc[believed.models].to_numpy())
    line = np.polyfit(multiply_adds[chosen], truth[chosen], 1)
    row |= _errors("multiply_adds_", np.polyval(line, multiply_adds), truth, asked)
    return row


def _nearest(others: np.ndarray, truth: Vector, chosen: list[int]) -> Vector:
    """The set whose log ratios to the probes spread least, moved by their median."""
    ratios = truth[chosen, None] - others[chosen]
    enough = np.isfinite(ratios).sum(axis=0) >= len(chosen) / 2
    spread = [
        np.nanstd(column) if ok else np.inf for column, ok in zip(ratios.T, enough, strict=True)
    ]
    best = int(np.argmin(spread))
    moved: Vector = others[:, best] + np.nanmedian(ratios[:, best])
    return moved


def _errors(prefix: str, log_s: Vector, truth: Vector, asked: np.ndarray) -> dict[str, float]:
    known = asked & np.isfinite(log_s)
    error = np.expm1(np.abs(log_s[known] - truth[known]))
    return {
        f"{prefix}median_error": float(np.median(error)),
        f"{prefix}p90_error": float(np.quantile(error, 0.9)),
        f"{prefix}rank_correlation": float(stats.spearmanr(log_s[known], truth[known])[0]),
    }
