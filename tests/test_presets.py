"""Presets are made from what is published, not from a list that ages."""

import pandas as pd

from bench import presets, results
from bench.families import family


def test_best_of_each_family_names_every_family_once(
    speed: pd.DataFrame, accuracy: pd.DataFrame
) -> None:
    sets = results.results_sets(speed)
    pairs = presets.best_of_each_family(sets, speed, accuracy)
    of_run = speed[speed["run"] == results.reference_run(sets)]
    known = set(zip(of_run["architecture"], of_run["image_size"], strict=True))
    joined = accuracy[accuracy["snapshot"] == "2026-08"]
    families = {family(m) for m in joined["model"] if not m.startswith("test_")}
    # Two families of one architecture (convnext, convnext_in22) may choose the same pair.
    assert 0.9 * len(families) <= len(pairs) <= len(families)
    assert set(pairs) <= known
    assert not any(architecture.startswith("test_") for architecture, _ in pairs)


def test_the_reference_set_is_the_largest_where_the_usual_one_is_absent(
    speed: pd.DataFrame,
) -> None:
    without = speed[speed["run"] != results.REFERENCE_RUN]
    chosen = results.reference_run(results.results_sets(without))
    assert without["run"].value_counts()[chosen] == without["run"].value_counts().max()
