"""What a run was asked not to measure has a row that says so; all else is measured."""

import pytest

from bench import publication, refusal
from bench.records import Workload

LARGEST = max(publication.operations(), key=lambda key: publication.operations()[key][0] or 0)


def workload(architecture: str, image_size: int) -> Workload:
    return Workload(architecture=architecture, image_size=image_size, measure="latency")


def test_only_what_exceeds_the_limit_is_left_out_with_both_figures() -> None:
    count = publication.operations()["resnet18", 224][0]
    assert count == pytest.approx(1.82e9, rel=0.01)
    asked = [workload("resnet18", 224), workload("resnet50", 224), workload(*LARGEST)]
    at_the_limit = refusal.too_large(asked, count)
    assert [row.workload for row in at_the_limit] == asked[1:]
    assert {row.outcome for row in at_the_limit} == {"unsupported"}
    assert all(row.message.endswith(" more than 1.814 G") for row in at_the_limit)
    assert len(refusal.too_large(asked, count - 1)) == 3


def test_thousands_are_written_out() -> None:
    [row] = refusal.too_large([workload(*LARGEST)], 700_000_000)
    giga = publication.operations()[LARGEST][0] / 1e9
    assert giga > 1000
    assert row.message == f"left out by request: {giga:,.0f} G multiply-adds, more than 0.7 G"


def test_what_the_catalogue_does_not_know_is_measured() -> None:
    assert refusal.too_large([workload("no_such_model", 224)], 1) == []
