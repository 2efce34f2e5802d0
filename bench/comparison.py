"""One results set's speeds against another's, or one measure's against another's.

Pure functions on frames. A pair is an (architecture, image size) that both sides measured: two
times, their ratio, its rank on each side. The left side is the baseline: a ratio of 3 says that the
right side takes three times as long.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from bench import points
from bench.results import OLD_ERA_TORCH

# What a side says for itself; the rest of a pair is the same on both.
FIGURES = (
    "seconds_per_image",
    "seconds_low",
    "seconds_high",
    "images_per_s",
    "batch_size",
    "peak_memory_bytes",
    "flags",
    "frontier",
    "lead",
)
# Facts of the model. Accuracy is that of its most accurate weights.
FACTS = ("model", "family", "pretraining", "top1_percent", "top5_percent")
COUNTS = ("parameters", "multiply_adds", "activations")

PAIR_COLUMNS = (
    "architecture",
    "image_size",
    *FACTS,
    *COUNTS,
    *(f"{name}_left" for name in FIGURES),
    *(f"{name}_right" for name in FIGURES),
    "ratio",
    "rank_left",
    "rank_right",
    "gained",
)

# A family is said to gain or lose only when as many of its models agree on it.
MODELS_THAT_SPEAK = 3


@dataclass(frozen=True, slots=True)
class Side:
    """A results set, one of its measures, and its points.

    results_set is a row of results.results_sets; points are those of points.points.
    """

    results_set: pd.Series
    measure: str
    points: pd.DataFrame


def bears_old_names(results_set: pd.Series) -> bool:
    """Whether its models bear the names they had in 2022, before timm's weights had tags."""
    return bool(results_set["torch"] == OLD_ERA_TORCH)


def compare(left: Side, right: Side, *, renames: Mapping[str, str | None]) -> pd.DataFrame:
    """One row per (architecture, image size) that both sides have, never a `test_*` model.

    Two sides of one naming era meet under that era's names; else the older side's models go by
    their present names.

    Args:
        left: the baseline.
        right: what is compared with it.
        renames: old name -> present name (`architecture.tag`), None for a removed model.

    Returns:
        PAIR_COLUMNS, the lowest ratio first. Ranks begin at 1, the fastest; equals share the better
        rank. gained is the number of ranks won on the right side, negative where lost.
    """
    is_old = [bears_old_names(side.results_set) for side in (left, right)]
    frames = [left.points, right.points]
    if is_old[0] != is_old[1]:
        frames = [
            under_present_names(frame, renames) if old else frame
            for frame, old in zip(frames, is_old, strict=True)
        ]
    left_rows, right_rows = (_one_a_speed(frame) for frame in frames)
    both = left_rows.merge(
        right_rows, on=["architecture", "image_size"], suffixes=("_left", "_right")
    )
    # Only the newer side knows the weights of today.
    named, other = ("right", "left") if is_old == [True, False] else ("left", "right")
    for name in FACTS:
        both[name] = both[f"{name}_{named}"]
    for name in COUNTS:
        both[name] = both[f"{name}_{named}"].fillna(both[f"{name}_{other}"])
    return _ranked(both)[list(PAIR_COLUMNS)]


def under_present_names(frame: pd.DataFrame, renames: Mapping[str, str | None]) -> pd.DataFrame:
    """Points under the names that timm gives their models now; removed models are left out."""
    present = frame["model"].map(lambda name: renames.get(name, name))
    kept = frame.assign(model=present)[present.notna()]
    return kept.assign(architecture=kept["model"].map(lambda name: name.partition(".")[0]))


def _one_a_speed(frame: pd.DataFrame) -> pd.DataFrame:
    """Each (architecture, image size) once, with its most accurate weights.

    Where renaming brought several speeds together, the one measured under the architecture's own
    name counts, else the fastest, as in points.points.
    """
    rows = points.without_test_models(frame)
    rows = rows.assign(renamed=rows["speed_model"] != rows["architecture"]).sort_values(
        ["renamed", "seconds_per_image", "top1_percent", "model"],
        ascending=[True, True, False, True],
    )
    kept = rows.drop_duplicates(["architecture", "image_size"])
    return kept[["architecture", "image_size", *FACTS, *COUNTS, *FIGURES]]


def _ranked(both: pd.DataFrame) -> pd.DataFrame:
    both["ratio"] = both["seconds_per_image_right"] / both["seconds_per_image_left"]
    for side in ("left", "right"):
        both[f"rank_{side}"] = both[f"seconds_per_image_{side}"].rank(method="min").astype("int64")
    both["gained"] = both["rank_left"] - both["rank_right"]
    return both.sort_values(["ratio", "architecture", "image_size"]).reset_index(drop=True)


def rank_correlation(one: pd.Series, other: pd.Series) -> float:
    """Spearman's: Pearson's correlation of the ranks, equals sharing their mean rank.

    NaN for fewer than two values, or where one side is all equal. pandas' own needs scipy.
    """
    ranks = one.rank(), other.rank()
    if any(side.nunique() < 2 for side in ranks):
        return float("nan")
    return float(ranks[0].corr(ranks[1]))


def by_family(pairs: pd.DataFrame) -> pd.DataFrame:
    """The distribution of the ratio in each family, the lowest median first.

    Args:
        pairs: see `compare`.

    Returns:
        family, models, ratio_median, ratio_low and ratio_high (the middle half), gained (ranks, the
        median).
    """
    groups = pairs.groupby("family")
    table = pd.DataFrame(
        {
            "models": groups.size(),
            "ratio_median": groups["ratio"].median(),
            "ratio_low": groups["ratio"].quantile(0.25),
            "ratio_high": groups["ratio"].quantile(0.75),
            "gained": groups["gained"].median(),
        }
    )
    return table.sort_values(["ratio_median", "models"], kind="stable").reset_index()


def speaking(families: pd.DataFrame) -> pd.DataFrame:
    """Families of at least MODELS_THAT_SPEAK models; all of them where there are not two such."""
    enough = families[families["models"] >= MODELS_THAT_SPEAK]
    return enough if len(enough) >= 2 else families


def most_changed(families: pd.DataFrame, *, ends: int, always: tuple[str, ...]) -> pd.DataFrame:
    """The families that gain and lose most, and some that people look for, in the same order.

    All of them where they are not more than both ends.

    Args:
        families: see `by_family`.
        ends: how many from each end of those that are `speaking`.
        always: families that stay in wherever they stand.
    """
    if len(families) <= 2 * ends:
        return families
    heard = speaking(families)["family"]
    wanted = {*heard.head(ends), *heard.tail(ends), *always}
    return families[families["family"].isin(wanted)]


def best_of_each_family(pairs: pd.DataFrame) -> pd.DataFrame:
    """One pair per family, its best trade-off on the left side (see points), lowest ratio first."""
    ranked = points.ranked(pairs.assign(seconds_per_image=pairs["seconds_per_image_left"]))
    best = points.best_of_each_family(ranked).drop(columns="seconds_per_image")
    return best.sort_values(["ratio", "family"]).reset_index(drop=True)


def most_moved(pairs: pd.DataFrame, *, ends: int) -> pd.DataFrame:
    """The pairs that gain most ranks, then those that lose most; all where they are not more.

    Args:
        pairs: see `compare`.
        ends: how many of each.
    """
    order = pairs.sort_values("gained", ascending=False, kind="stable")
    return order if len(order) <= 2 * ends else pd.concat([order.head(ends), order.tail(ends)])


@dataclass(frozen=True, slots=True)
class Summary:
    """What a comparison comes to.

    climb and fall are rows of `by_family`, who moves furthest first: families of at least
    MODELS_THAT_SPEAK models that gain, or lose, ranks in the median.
    """

    models: int
    median_ratio: float
    rank_correlation: float
    climb: pd.DataFrame
    fall: pd.DataFrame


def summary(pairs: pd.DataFrame) -> Summary:
    """The median ratio, the rank correlation, and the families that change places.

    Args:
        pairs: see `compare`; not empty.
    """
    families = by_family(pairs)
    families = families[families["models"] >= MODELS_THAT_SPEAK]
    order = families.sort_values("gained", ascending=False, kind="stable")
    return Summary(
        models=len(pairs),
        median_ratio=float(pairs["ratio"].median()),
        rank_correlation=rank_correlation(
            pairs["seconds_per_image_left"], pairs["seconds_per_image_right"]
        ),
        climb=order[order["gained"] > 0],
        fall=order[order["gained"] < 0].iloc[::-1],
    )


@dataclass(frozen=True, slots=True)
class Difference:
    """A circumstance in which two sides differ, with what each says."""

    circumstance: str
    left: str
    right: str


# Software is one circumstance: its parts come and go together.
SOFTWARE = {"PyTorch": "torch", "CUDA": "cuda", "timm": "timm"}


def differences(left: Side, right: Side) -> list[Difference]:
    """The circumstances in which the sides differ, as far as both say.

    Two runs are comparable when they differ in one: the ratio is then its doing.
    """
    found = []
    for name, column in (
        ("device", "device"),
        ("precision", "precision"),
        ("layout", "layout"),
        ("compile", "compiled"),
    ):
        one, other = left.results_set[column], right.results_set[column]
        if pd.notna(one) and pd.notna(other) and one != other:
            found.append(Difference(name, str(one), str(other)))
    if left.measure != right.measure:
        found.insert(0, Difference("measure", left.measure, right.measure))
    changed = {
        name: (left.results_set[column], right.results_set[column])
        for name, column in SOFTWARE.items()
        if pd.notna(left.results_set[column])
        and pd.notna(right.results_set[column])
        and left.results_set[column] != right.results_set[column]
    }
    if changed:
        versions = [", ".join(f"{n} {v[side]}" for n, v in changed.items()) for side in (0, 1)]
        found.append(Difference("software", *versions))
    return found


def flags_of(pairs: pd.DataFrame) -> pd.Series:
    """Each pair's flags on either side, sorted; an empty list where there are none."""
    sides = [
        [set() if flags is None else set(flags) for flags in pairs[f"flags_{side}"]]
        for side in ("left", "right")
    ]
    both = [sorted(one | other) for one, other in zip(*sides, strict=True)]
    return pd.Series(both, index=pairs.index, dtype="object")


def different_batches(pairs: pd.DataFrame) -> int:
    """How many pairs were measured at batch sizes that are known and differ."""
    differ = pairs["batch_size_left"] != pairs["batch_size_right"]
    return int(differ.fillna(False).sum())
