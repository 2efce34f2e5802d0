"""Ready-made choices of what to measure that need more than timm's registry to make."""

import pandas as pd

from bench import points
from bench.results import reference_run


def best_of_each_family(
    sets: pd.DataFrame, speed: pd.DataFrame, accuracy: pd.DataFrame
) -> list[tuple[str, int]]:
    """The best trade-off of each family as (architecture, image size), the fastest first.

    By the published reference set, for what this machine makes of them is not known yet.

    Args:
        sets: results.results_sets.
        speed: rows of SPEED_SCHEMA.
        accuracy: rows of ACCURACY_SCHEMA.

    Raises InvalidRequest when nothing has been published here.
    """
    run = reference_run(sets)
    measures: dict[str, int] = sets.set_index("run")["measures"][run]
    joined = points.points(speed, accuracy, run=run, measure=next(iter(measures)))
    best = points.best_of_each_family(joined)
    pairs = zip(best["architecture"], best["image_size"], strict=True)
    return list(dict.fromkeys((str(architecture), int(size)) for architecture, size in pairs))
