"""Where a chart's labels go: never over one another, never out of the plot, never on a crowd."""

from collections.abc import Mapping

import numpy as np

LABELS = 8
HIDDEN_POINTS = 2  # a label that would lie on more than these is left out
# Below this width (pixels) labels are not drawn; above, they fit each of these plots: the chart is
# as wide as the page, and a second row of legend takes a little of its height where it is narrow.
NARROW = 520
PLOTS = ((520.0, 340.0), (620.0, 340.0), (720.0, 355.0), (880.0, 355.0), (1400.0, 355.0))
FONT_SIZE, LETTER_WIDTH = 11, 6.4


def labels(
    rows: Mapping[str, np.ndarray], right: np.ndarray, down: np.ndarray, *, label_all: bool
) -> dict[str, np.ndarray]:
    """Each row's label, label_align, label_dx and label_dy; an empty label where it has none.

    No two labels overlap, none leaves the plot, none lies on a crowd of points. Searched models
    come first, then the frontier (or all), the greatest lead first.

    Args:
        rows: columns of one length: model, shown, beside, hit, frontier, top1 and lead_points.
        right: where each row lies from the left end of the plot (0) to the right (1).
        down: where it lies from the top (0) to the bottom (1).
        label_all: label what fits of all points, not of the frontier alone.
    """
    # Where every point lies on each of the plots, in pixels; shape (plots, points).
    x = right * np.array([[width] for width, _ in PLOTS])
    y = down * np.array([[height] for _, height in PLOTS])
    is_drawn, hit, frontier = rows["shown"], rows["hit"], rows["frontier"]
    eligible = np.flatnonzero(is_drawn & (hit | ((frontier | label_all) & ~rows["beside"])))
    lead = np.nan_to_num(rows["lead_points"][eligible], nan=-99.0)
    order = eligible[np.lexsort((-lead, ~frontier[eligible], ~hit[eligible]))]
    if len(order):  # the most accurate model of all is always named
        order = np.concatenate([order[[np.argmax(rows["top1"][order])]], order])
    models = [str(model).partition(".")[0] for model in rows["model"]]
    found = {
        "label": np.full(len(models), "", dtype=object),
        "label_align": np.full(len(models), "left", dtype=object),
        "label_dx": np.zeros(len(models)),
        "label_dy": np.zeros(len(models)),
    }
    taken: list[np.ndarray] = []
    named: set[str] = set()
    for row in order.tolist():
        name = models[row]
        if len(taken) == LABELS or name in named:
            continue
        for align, dx, dy in (("right", -7, -8), ("left", 7, 12), ("left", 7, -8)):
            box = _box(x[:, row], y[:, row], align, dx, dy, letters=len(name))
            if not _is_inside(box) or any(_overlap(box, other) for other in taken):
                continue
            under = (x > box[0]) & (x < box[2]) & (y > box[1]) & (y < box[3]) & is_drawn
            if hit[row] or under.sum(axis=1).max() <= HIDDEN_POINTS:
                taken.append(box)
                named.add(name)
                for column, value in zip(found.values(), (name, align, dx, dy), strict=True):
                    column[row] = value
                break
    return found


def _box(
    x: np.ndarray, y: np.ndarray, align: str, dx: float, dy: float, *, letters: int
) -> np.ndarray:
    """A label's left, top, right and bottom on each plot; shape (4, plots, 1)."""
    length = letters * LETTER_WIDTH
    left = x + dx - (length if align == "right" else 0)
    return np.array([left, y + dy - FONT_SIZE, left + length, y + dy + 3])[:, :, None]


def _is_inside(box: np.ndarray) -> bool:
    width, height = np.array(PLOTS).T[:, :, None]
    return bool(((box[:2] >= 0).all() and (box[2] <= width) & (box[3] <= height)).all())


def _overlap(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two labels overlap on any of the plots."""
    apart = (one[2] <= other[0]) | (other[2] <= one[0])
    apart |= (one[3] <= other[1]) | (other[3] <= one[1])
    return not apart.all()
