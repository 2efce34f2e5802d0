"""Speed joined with accuracy: the table behind every chart.

Pure functions on frames. A point is (weights, image size): its accuracy, the speed of its
architecture at that very size, and what follows from both: frontier, lead, best of each family.
"""

import math

import numpy as np
import pandas as pd

from bench.errors import InvalidRequest
from bench.families import TEST_MODELS, family, pretraining
from bench.results import snapshot_for

CRITERIA = ("trade-off", "accurate", "fastest")

SPEED_COLUMNS = (
    "run",
    "source",
    "model",
    "architecture",
    "image_size",
    "measure",
    "batch_size",
    "images_per_s",
    "step_s",
    "step_low_s",
    "step_high_s",
    "peak_memory_bytes",
    "forward_s",
    "backward_s",
    "optimiser_s",
    "parameters",
    "multiply_adds",
    "activations",
    "compile_s",
    "energy_per_image_j",
    "host_device_ratio",
    "outcome",
    "message",
    "flags",
    "device",
    "device_kind",
    "precision",
    "layout",
    "compiled",
    "torch",
    "cuda",
    "cudnn",
    "driver",
    "timm",
    "measured_at",
    "environment",
)

POINT_COLUMNS = (
    "model",
    "architecture",
    "family",
    "pretraining",
    "image_size",
    "top1_percent",
    "top5_percent",
    "seconds_per_image",
    "seconds_low",
    "seconds_high",
    "estimated",
    "images_per_s",
    "batch_size",
    "step_s",
    "parameters",
    "multiply_adds",
    "activations",
    "peak_memory_bytes",
    "flags",
    "speed_model",
    "frontier",
    "lead",
)


def points(
    speed: pd.DataFrame,
    accuracy: pd.DataFrame,
    *,
    run: str,
    measure: str,
    dataset: str = "imagenet-1k",
    estimates: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """One row per (weights, image size) of the accuracy set that has a speed in the results set.

    A speed at another image size is never borrowed. Where a set holds several speeds of one
    (architecture, image size), as after timm renamed models, the one measured under the
    architecture's own name counts, else the fastest.

    Args:
        speed: rows of SPEED_SCHEMA, any number of results sets.
        accuracy: rows of ACCURACY_SCHEMA, any number of snapshots.
        run: id of the results set.
        measure: throughput, latency or training.
        dataset: the accuracy set.
        estimates: what `estimate.estimates` says of models that the set lacks; they become points
            too, marked in the column `estimated`, with their own interval as seconds_low and
            seconds_high.

    Returns:
        POINT_COLUMNS, sorted by seconds_per_image; frontier and lead are those of this very table
        (see `ranked`).

    Raises:
        InvalidRequest: the set, its measure or the accuracy set does not exist.
    """
    of_set = speed[speed["run"] == run]
    if of_set.empty:
        raise InvalidRequest(f"no results set {run!r}; `python -m bench results` lists them")
    usable = of_set[of_set["outcome"] == "ok"]
    measured = usable[usable["measure"] == measure]
    if measured.empty:
        present = ", ".join(usable["measure"].unique()) or "nothing"
        raise InvalidRequest(f"results set {run} holds no {measure}; it holds {present}")
    torch = of_set["torch"].iloc[0]
    snapshot = snapshot_for(
        torch if pd.notna(torch) else None, sorted(accuracy["snapshot"].unique())
    )
    known = accuracy[accuracy["snapshot"] == snapshot]
    wanted = known[known["dataset"] == dataset]
    if wanted.empty:
        present = ", ".join(sorted(known["dataset"].unique())) or "none"
        raise InvalidRequest(f"no accuracy set {dataset!r} for {run}; there is {present}")

    per_size = speed_of_each(measured).rename(
        columns={"model": "speed_model", "parameters": "speed_parameters"}
    )
    per_size["seconds_low"] = per_size["step_low_s"] / per_size["batch_size"].astype("Float64")
    per_size["seconds_high"] = per_size["step_high_s"] / per_size["batch_size"].astype("Float64")
    per_size["estimated"] = False
    if estimates is not None and not estimates.empty:
        per_size = pd.concat(
            [per_size, estimates.assign(estimated=True, flags=None)], ignore_index=True
        )
    joined = wanted.merge(per_size, on=["architecture", "image_size"], suffixes=("", "_speed"))
    joined["family"] = joined["model"].map(family)
    joined["pretraining"] = joined["model"].map(pretraining)
    joined["parameters"] = joined["parameters"].fillna(joined["speed_parameters"])
    return ranked(joined)[list(POINT_COLUMNS)]


def speed_of_each(measured: pd.DataFrame) -> pd.DataFrame:
    """One row per (architecture, image size), with its seconds_per_image.

    Of several, the one measured under the architecture's own name counts, else the fastest.

    Args:
        measured: `ok` rows of SPEED_SCHEMA of one results set and measure.
    """
    renamed = measured["model"] != measured["architecture"]
    fastest_first = measured.assign(renamed=renamed).sort_values(
        ["renamed", "images_per_s"], ascending=[True, False], kind="stable"
    )
    each = fastest_first.drop_duplicates(["architecture", "image_size"]).drop(columns="renamed")
    seconds = 1.0 / each["images_per_s"]
    # Published rates have two decimals: at 0.05 images/s a latency's step time says 6 % more.
    is_latency = each["measure"] == "latency"
    return each.assign(seconds_per_image=seconds.mask(is_latency, each["step_s"].fillna(seconds)))


def ranked(frame: pd.DataFrame) -> pd.DataFrame:
    """The same rows with frontier and lead among themselves, fastest first.

    Rank after choosing which models count (licence, size, families) and before a budget: a budget
    on time and accuracy leaves both as they are.
    """
    ordered = _in_order(frame).reset_index(drop=True)
    return ordered.assign(frontier=frontier(ordered), lead=leads(ordered))


def _in_order(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows by time, then from the most accurate, then by name; as they are where they are so.

    What is joined is in this order and stays in it when rows are left out; looking costs a tenth of
    sorting.
    """
    seconds = frame["seconds_per_image"].to_numpy(dtype=float)
    top1 = frame["top1_percent"].to_numpy(dtype=float)
    model = frame["model"].to_numpy(dtype=object)
    equal = seconds[1:] == seconds[:-1]
    right = (seconds[1:] > seconds[:-1]) | (equal & (top1[1:] < top1[:-1]))
    right |= equal & (top1[1:] == top1[:-1]) & (model[1:] >= model[:-1])
    if right.all():
        return frame
    return frame.sort_values(
        ["seconds_per_image", "top1_percent", "model"], ascending=[True, False, True]
    )


def frontier(frame: pd.DataFrame) -> pd.Series:
    """Which models no other beats: none is at least as fast and as accurate, and better in one.

    Args:
        frame: seconds_per_image and top1_percent, any order.

    Returns:
        bool, indexed as frame. Exact twins stand or fall together.
    """
    seconds = frame["seconds_per_image"].to_numpy(dtype=float)
    top1 = frame["top1_percent"].to_numpy(dtype=float)
    order = np.lexsort((-top1, seconds))
    before = np.concatenate([[-math.inf], np.maximum.accumulate(top1[order])[:-1]])[: len(order)]
    ahead = top1[order] > before
    # A twin follows the first of its kind directly in this order, and shares its verdict.
    is_first = np.ones(len(order), dtype=bool)
    is_first[1:] = (np.diff(seconds[order]) != 0) | (np.diff(top1[order]) != 0)
    verdict = np.empty(len(order), dtype=bool)
    verdict[order] = ahead[is_first][np.cumsum(is_first) - 1]
    return pd.Series(verdict, index=frame.index)


def family_frontiers(frame: pd.DataFrame) -> pd.Series:
    """Which models no other of their own family beats: what a family offers from fast to accurate.

    Args:
        frame: seconds_per_image, top1_percent and family, any order.

    Returns:
        bool, indexed as frame. Of exact twins only the first.
    """
    seconds = frame["seconds_per_image"].to_numpy(dtype=float)
    top1 = frame["top1_percent"].to_numpy(dtype=float)
    families = pd.factorize(frame["family"])[0]
    best = [-math.inf] * (int(families.max(initial=-1)) + 1)
    ahead = np.zeros(len(frame), dtype=bool)
    order = np.lexsort((-top1, seconds))
    # Lists, because to take one number out of an array costs more than to compare it.
    of_order = zip(order.tolist(), families[order].tolist(), top1[order].tolist(), strict=True)
    for row, own, accuracy in of_order:
        if accuracy > best[own]:
            best[own] = accuracy
            ahead[row] = True
    return pd.Series(ahead, index=frame.index)


def leads(frame: pd.DataFrame) -> pd.Series:
    """Each model's lead: what would be lost, in points of top-1, without its family.

    Its top-1 minus the best top-1 among other families' models at least as fast; where none is as
    fast, minus the top-1 of the fastest model of another family.

    Args:
        frame: seconds_per_image, top1_percent and family, any order.

    Returns:
        float64, percentage points, indexed as frame; NaN where there is only one family.
    """
    seconds = frame["seconds_per_image"].to_numpy(dtype=float)
    top1 = frame["top1_percent"].to_numpy(dtype=float)
    order = np.lexsort((-top1, seconds))
    families = pd.factorize(frame["family"])[0][order]
    seconds, top1 = seconds[order], top1[order]
    rivals = np.full(len(order), math.nan)
    # The best so far, and the best so far of any other family than that one's. Lists, because to
    # take one number out of an array costs more than to compare it.
    best, best_family, second = -math.inf, -1, -math.inf
    all_seconds, all_top1, all_families = seconds.tolist(), top1.tolist(), families.tolist()
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and all_seconds[end] == all_seconds[start]:
            if all_families[end] == best_family:
                best = max(best, all_top1[end])
            elif all_top1[end] > best:
                best, best_family, second = all_top1[end], all_families[end], best
            else:
                second = max(second, all_top1[end])
            end += 1
        for row in range(start, end):
            rival = second if all_families[row] == best_family else best
            if math.isfinite(rival):
                rivals[row] = rival
        start = end
    for lonely in np.flatnonzero(np.isnan(rivals)):
        others = np.flatnonzero(families != families[lonely])
        if len(others):
            rivals[lonely] = top1[others[0]]
    found = np.empty(len(order))
    found[order] = top1 - rivals
    return pd.Series(found, index=frame.index)


def is_test_model(frame: pd.DataFrame) -> pd.Series:
    """Which points are of timm's own `test_*` models."""
    return frame["architecture"].str.startswith(TEST_MODELS).astype(bool)


def without_test_models(frame: pd.DataFrame) -> pd.DataFrame:
    """The same rows without timm's own `test_*` models."""
    is_test = is_test_model(frame)
    return frame[~is_test] if is_test.any() else frame


def best_of_each_family(frame: pd.DataFrame, by: str = "trade-off") -> pd.DataFrame:
    """One model per family, never a `test_*` model, in the order of frame.

    Args:
        frame: ranked points.
        by: `trade-off` (the greatest lead), `accurate` or `fastest`. Ties go to the more accurate,
            then the faster, then the first name.

    Raises:
        InvalidRequest: by is none of these.
    """
    if by not in CRITERIA:
        raise InvalidRequest(f"best of each family goes by {', '.join(CRITERIA)}, got {by!r}")
    frame = without_test_models(frame)
    names = ("lead", "top1_percent", "seconds_per_image")
    lead, top1, seconds = (frame[name].to_numpy(dtype=float) for name in names)
    keys = {
        "trade-off": (seconds, -top1, -lead),
        "accurate": (seconds, -top1),
        "fastest": (-top1, seconds),
    }
    order = np.lexsort(keys[by])  # ranked points that are equal in all of these are sorted by name
    first = np.unique(pd.factorize(frame["family"])[0][order], return_index=True)[1]
    return frame.iloc[np.sort(order[first])]


def most_accurate_weights(frame: pd.DataFrame, *, in_each_family: bool = False) -> pd.DataFrame:
    """One row per (architecture, image size): of weights that share a speed, the most accurate.

    Args:
        frame: points, fastest first (see `ranked`), so that equals are sorted by name.
        in_each_family: one row per family as well: weights pretrained on ImageNet-22k are a family
            of their own, though they share their speed with others.
    """
    order = np.argsort(-frame["top1_percent"].to_numpy(dtype=float), kind="stable")
    keys = speeds(frame)
    if in_each_family:
        families, names = pd.factorize(frame["family"])
        keys = keys * len(names) + families
    return frame.iloc[np.sort(order[np.unique(keys[order], return_index=True)[1]])]


def speeds(frame: pd.DataFrame) -> np.ndarray:
    """A number for each row, the same for those that share architecture and image size; int64."""
    sizes = frame["image_size"].to_numpy(dtype="int64")
    numbers: np.ndarray = (
        sizes + (sizes.max(initial=0) + 1) * pd.factorize(frame["architecture"])[0]
    )
    return numbers


def within_budget(
    frame: pd.DataFrame, *, max_s: float | None = None, min_top1_percent: float | None = None
) -> pd.DataFrame:
    """The points no slower than max_s seconds an image and no worse than min_top1_percent."""
    if max_s is not None:
        frame = frame[frame["seconds_per_image"] <= max_s]
    if min_top1_percent is not None:
        frame = frame[frame["top1_percent"] >= min_top1_percent]
    return frame
