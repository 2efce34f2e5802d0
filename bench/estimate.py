"""Every model's speed on a device, estimated from the few that were measured on it.

The estimate leans on all results sets there are, published and measured (see `bench.foretelling`),
and says how sure it is: a 90 % interval, checked against every published set in turn by
`python -m bench estimate --evaluate`. An estimate is never stored and never replaces a measurement.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from bench import foretelling, points
from bench.belief import Belief
from bench.errors import InvalidRequest
from bench.families import family, is_test_model
from bench.records import FLAGS
from bench.results import FEWEST_TO_ESTIMATE_FROM

# How many models are measured to estimate the rest.
PROBES = 16
PROBES_OF_A_SWEEP = 64

CIRCUMSTANCES = (
    "device",
    "device_kind",
    "measure",
    "precision",
    "layout",
    "compiled",
    "torch",
)

ESTIMATE_COLUMNS = (
    "architecture",
    "image_size",
    "seconds_per_image",
    "seconds_low",
    "seconds_high",
    "images_per_s",
)

# Waiting for launches is what a model is like; all other flags say that a figure may be off.
DOUBTFUL = frozenset(FLAGS) - {"launch_bound"}

# What fits any device and is quick on it: largest (multiply-adds, parameters) of a probe.
LARGEST_PROBE = {"cpu": (8e9, 120e6)}
LARGEST_PROBE_ELSEWHERE = (60e9, 350e6)


@dataclass(frozen=True, slots=True)
class Knowledge:
    """All speeds there are, as one table.

    log_s: log seconds per image; rows (architecture, image_size), a column a results set and
    measure. sets: CIRCUMSTANCES of each column, and its run. features: per row.
    """

    log_s: pd.DataFrame
    sets: pd.DataFrame
    features: pd.DataFrame

    def without(self, columns: pd.Series) -> "Knowledge":
        """The same without those columns; columns is true or false for each."""
        kept = ~columns.to_numpy(dtype=bool)
        return Knowledge(
            self.log_s.loc[:, kept], self.sets[kept].reset_index(drop=True), self.features
        )


def knowledge(speed: pd.DataFrame, operations: pd.DataFrame) -> Knowledge:
    """What all results sets say, model by model; DOUBTFUL figures say nothing of other devices.

    Args:
        speed: rows of SPEED_SCHEMA, any number of results sets.
        operations: rows of OPERATIONS_SCHEMA; where it lacks a model, the published counts serve.
    """
    doubtful = speed["flags"].map(
        lambda flags: flags is not None and not DOUBTFUL.isdisjoint(flags)
    )
    known = (speed["outcome"] == "ok") & speed["images_per_s"].notna()
    usable = speed[known & ~doubtful.astype(bool)]
    frames = [
        points.speed_of_each(rows).assign(column=f"{run} {measure}")
        for (run, measure), rows in usable.groupby(["run", "measure"], sort=True)
    ]
    if not frames:
        raise InvalidRequest("there are no speeds to estimate from")
    rows = pd.concat(frames)
    rows["log_s"] = np.log(rows["seconds_per_image"].astype("float64"))
    key = ["architecture", "image_size"]
    counts = ["parameters", "multiply_adds", "activations"]
    listed = operations.set_index(key)[counts].astype("float64")
    published = rows.groupby(key)[counts].median().astype("float64")
    features = listed.combine_first(published)
    log_s = rows.set_index([*key, "column"])["log_s"].unstack().reindex(features.index)  # noqa: PD010
    features["family"] = [family(name) for name in features.index.get_level_values(0)]
    sets = rows.groupby("column")[["run", *CIRCUMSTANCES]].first().loc[log_s.columns]
    return Knowledge(log_s, sets.reset_index(drop=True), features)


def circumstances(rows: pd.DataFrame) -> pd.Series:
    """CIRCUMSTANCES of the rows of one results set and measure."""
    return rows[list(CIRCUMSTANCES)].iloc[0]


def belief_about(known: Knowledge, target: pd.Series, *, run: str | None = None) -> Belief:
    """What all sets but run say of speeds in the target's circumstances."""
    others = known.without(known.sets["run"] == run)
    if others.sets.empty:
        raise InvalidRequest("there are no other results sets to estimate from")
    # The matrices are small: threads would wait for one another longer than they compute.
    with threadpool_limits(limits=1, user_api="blas"):
        return foretelling.belief(others.log_s, others.sets, target, others.features)


def estimates(believed: Belief, measured: pd.DataFrame) -> pd.DataFrame:
    """What a results set lacks, estimated from what it has.

    Args:
        believed: belief_about its circumstances, without the set itself.
        measured: the `ok` rows of SPEED_SCHEMA of the set, of one measure.

    Returns:
        ESTIMATE_COLUMNS, one row per model that the set does not hold, seconds_low and
        seconds_high being its 90 % interval; without rows where the set has fewer than
        FEWEST_TO_ESTIMATE_FROM of the models that others have.
    """
    speeds = points.speed_of_each(measured).set_index(["architecture", "image_size"])
    seconds = speeds["seconds_per_image"].astype("float64").reindex(believed.models)
    rows = np.flatnonzero(seconds.notna())
    if len(rows) < FEWEST_TO_ESTIMATE_FROM:
        return pd.DataFrame(columns=list(ESTIMATE_COLUMNS))
    log_s, half_width = believed.given(list(rows), np.log(seconds.to_numpy()[rows]))
    frame = believed.models.to_frame(index=False)
    frame["seconds_per_image"] = np.exp(log_s)
    frame["seconds_low"] = np.exp(log_s - half_width)
    frame["seconds_high"] = np.exp(log_s + half_width)
    frame["images_per_s"] = np.exp(-log_s)
    return frame.loc[seconds.isna().to_numpy(), list(ESTIMATE_COLUMNS)].reset_index(drop=True)


def probes(
    known: Knowledge,
    target: pd.Series,
    *,
    listed: pd.MultiIndex,
    count: int = PROBES,
) -> list[tuple[str, int]]:
    """The models to measure first on a device: those that tell most of all the others.

    Args:
        known: all speeds there are.
        target: CIRCUMSTANCES of what will be measured.
        listed: (architecture, image_size) of what can be measured; never a `test_*` model.
        count: how many.
    """
    believed = belief_about(known, target)
    allowed = may_be_probe(known, believed.models, target["device_kind"])
    allowed = allowed & believed.models.isin(listed)
    return [
        (str(architecture), int(size))
        for architecture, size in believed.models[believed.choose(allowed, count)]
    ]


def may_be_probe(known: Knowledge, models: pd.Index, device_kind: str) -> np.ndarray:
    """Which models are small and quick enough to be measured first, shape (models,)."""
    most_multiply_adds, most_parameters = LARGEST_PROBE.get(device_kind, LARGEST_PROBE_ELSEWHERE)
    features = known.features.loc[models]
    allowed: np.ndarray = (
        (features["multiply_adds"] <= most_multiply_adds)
        & (features["parameters"] <= most_parameters)
        & np.array([not is_test_model(name) for name in models.get_level_values(0)])
    ).to_numpy(dtype=bool)
    return allowed


def most_telling_first(
    known: Knowledge, target: pd.Series, pairs: list[tuple[str, int]]
) -> list[tuple[str, int]]:
    """The same pairs for a full sweep: those first whose speed tells most of the others.

    The first PROBES_OF_A_SWEEP are chosen like probes; then the least certain come first, then
    what nothing is known of, in the order given. `test_*` models, which tell nothing, come last.
    """
    believed = belief_about(known, target)
    listed = believed.models.isin(pd.MultiIndex.from_tuples(pairs))
    allowed = may_be_probe(known, believed.models, target["device_kind"]) & listed
    chosen = believed.choose(allowed, min(PROBES_OF_A_SWEEP, len(pairs)))
    uncertainty = believed.uncertainty(chosen)
    order = {believed.models[i]: (0, rank) for rank, i in enumerate(chosen)}
    order |= {model: (3, 0) for model in pairs if is_test_model(model[0])}
    rest = {model: (1, -uncertainty[i]) for i, model in enumerate(believed.models)}
    return sorted(pairs, key=lambda pair: order.get(pair) or rest.get(pair) or (2, 0.0))
