"""What accuracy does as time grows: a straight line for each family, as fastai's notebook drew.

Pure functions on frames. The line is the least squares fit of top-1 on the logarithm of time.
"""

import numpy as np
import pandas as pd

# Two points always lie on a line; from three on it says something.
POINTS = 3


def trends(frame: pd.DataFrame) -> pd.DataFrame:
    """Each family's line, from its fastest to its slowest point.

    Args:
        frame: family, seconds_per_image and top1_percent, one row a point.

    Returns:
        family, points (how many), slope (points of top-1 a decade of time), seconds_low,
        seconds_high, top1_low and top1_high (the line at both ends), by family. Families with fewer
        than POINTS points, or all of them at one speed, have none.
    """
    x = np.log10(frame["seconds_per_image"].to_numpy(dtype=float))
    y = frame["top1_percent"].to_numpy(dtype=float)
    of = frame["family"]
    sums = pd.DataFrame({"n": 1.0, "x": x, "y": y}, index=frame.index)
    means = sums[["x", "y"]].groupby(of).transform("mean")
    dx, dy = sums["x"] - means["x"], sums["y"] - means["y"]
    found = pd.DataFrame(
        {
            "points": sums["n"].groupby(of).sum().astype(int),
            "xx": (dx * dx).groupby(of).sum(),
            "xy": (dx * dy).groupby(of).sum(),
            "x": sums["x"].groupby(of).mean(),
            "y": sums["y"].groupby(of).mean(),
            "seconds_low": frame["seconds_per_image"].groupby(of).min(),
            "seconds_high": frame["seconds_per_image"].groupby(of).max(),
        }
    )
    is_line = (found["points"] >= POINTS) & (found["seconds_high"] > found["seconds_low"])
    found = found[is_line].assign(slope=lambda f: f["xy"] / f["xx"])
    for end in ("low", "high"):
        along = np.log10(found[f"seconds_{end}"].astype(float)) - found["x"]
        found[f"top1_{end}"] = found["y"] + found["slope"] * along
    columns = ["points", "slope", "seconds_low", "seconds_high", "top1_low", "top1_high"]
    return found[columns].rename_axis("family").reset_index()
