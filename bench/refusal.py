"""Rows for what a run was asked not to measure: too large for the time somebody has."""

from collections.abc import Sequence

from bench import publication
from bench.records import Measurement, Workload, utc_now


def too_large(workloads: Sequence[Workload], largest_multiply_adds: int) -> list[Measurement]:
    """An `unsupported` row for each workload over the limit, so that nothing is merely absent.

    Where the catalogue does not know a model's multiply-adds, it is measured.
    """
    counts = publication.operations()
    rows = []
    for workload in workloads:
        count = counts.get((workload.architecture, workload.image_size), (None, None))[0]
        if count is not None and count > largest_multiply_adds:
            rows.append(
                Measurement(
                    workload=workload,
                    outcome="unsupported",
                    message=f"left out by request: {count / 1e9:,.4g} G multiply-adds, "
                    f"more than {largest_multiply_adds / 1e9:,.4g} G",
                    measured_at=utc_now(),
                    batch_size=workload.batch_size,
                )
            )
    return rows
