"""How long the rest of a run takes, from what its finished rows took."""

from collections.abc import Iterable, Sequence

# Fewer rows than this do not tell what a model's size costs.
FEWEST_FOR_A_LINE = 5

# A row: what is measured, the model's multiply-adds where known, and the seconds that it took.
Finished = tuple[str, float | None, float]
Missing = tuple[str, float | None]


def remaining_s(
    finished: Sequence[Finished], missing: Sequence[Missing], *, pace: float = 1.0
) -> float | None:
    """Seconds that the missing rows will take; None when nothing is finished.

    Each measure has its own straight line: so much for any model, and so much for each
    multiply-add. Neither is negative. A measure without a finished row costs what the others do.

    Args:
        finished: rows that are there.
        missing: rows that are not.
        pace: how much longer a multiply-add takes for the missing rows than it took for these.
    """
    if not finished:
        return None
    everywhere = _line((cost, seconds) for _, cost, seconds in finished)
    lines = {
        measure: _line((cost, seconds) for m, cost, seconds in finished if m == measure)
        for measure in {measure for measure, _, _ in finished}
    }
    total_s = 0.0
    for measure, cost in missing:
        base_s, per_cost, average_s = lines.get(measure, everywhere)
        total_s += average_s if cost is None else base_s + pace * per_cost * cost
    return total_s


def _line(rows: Iterable[tuple[float | None, float]]) -> tuple[float, float, float]:
    """(seconds for any model, seconds for each multiply-add, average seconds); least squares."""
    points = list(rows)
    average_s = sum(seconds for _, seconds in points) / len(points)
    known = [(cost, seconds) for cost, seconds in points if cost is not None]
    if len(known) < FEWEST_FOR_A_LINE:
        return average_s, 0.0, average_s
    x = sum(cost for cost, _ in known) / len(known)
    y = sum(seconds for _, seconds in known) / len(known)
    spread = sum((cost - x) ** 2 for cost, _ in known)
    if spread == 0:
        return average_s, 0.0, average_s
    slope = max(0.0, sum((cost - x) * (seconds - y) for cost, seconds in known) / spread)
    if y - slope * x < 0:
        # Larger models cost more than in proportion; through the origin is the best line left.
        return 0.0, sum(c * s for c, s in known) / sum(c * c for c, _ in known), average_s
    return y - slope * x, slope, average_s
