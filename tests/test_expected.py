"""The expected time of a run, against the same computed another way."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from bench import catalogue, expected
from bench.records import Protocol, Workload

CPU = Protocol(precision="fp32")
BEGAN = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def models():
    """Forty models that are far apart in multiply-adds: architecture, image size, operations."""
    table = catalogue.operations().dropna(subset=["multiply_adds"])
    table = table.sort_values("multiply_adds").drop_duplicates("architecture")
    return table.iloc[np.linspace(0, len(table) - 1, 40).astype(int)]


def results(models, seconds, *, run="r1", device="This one", measure="throughput", **columns):
    """Rows of a run in which each model took so long; the first one's own time is not known."""
    took = np.cumsum([0.0, *seconds])
    return pd.DataFrame(
        {
            "run": run,
            "source": "measured",
            "architecture": ["first", *models["architecture"]],
            "image_size": [224, *models["image_size"]],
            "measure": measure,
            "outcome": "ok",
            "device": device,
            "device_kind": "cpu",
            "precision": "fp32",
            "layout": "nchw",
            "compiled": "eager",
            "images_per_s": 1.0,
            "measured_at": [pd.Timestamp(BEGAN + timedelta(seconds=s)) for s in took],
            **columns,
        }
    )


def ask(models, measure="throughput"):
    return [
        Workload(architecture=name, image_size=int(size), measure=measure)
        for name, size in zip(models["architecture"], models["image_size"], strict=True)
    ]


def test_the_time_of_each_row_is_the_time_since_the_one_before(models):
    seconds = np.arange(1.0, 41.0)
    frame = results(models, seconds).sample(frac=1, random_state=0)
    took = expected.took(frame).set_index("architecture")["seconds"]
    assert took[list(models["architecture"])].tolist() == pytest.approx(seconds)


def test_pauses_refusals_and_published_rows_tell_nothing(models):
    seconds = np.full(40, 2.0)
    seconds[10] = 3 * 3600
    frame = results(models, seconds)
    frame.loc[20, "outcome"] = "unsupported"
    published = results(models, seconds, run="r2", source="timm 2026-08")
    published["measured_at"] = pd.Series(pd.NaT, published.index, frame["measured_at"].dtype)
    took = expected.took(pd.concat([frame, published]))
    assert took["seconds"].tolist() == pytest.approx([2.0] * 38)


def test_on_a_device_that_was_measured_it_is_the_line_through_what_was_measured(models):
    rng = np.random.default_rng(0)
    cost = models["multiply_adds"].to_numpy(dtype=float)
    seconds = 1.5 + 0.2 * cost / 1e9 + rng.uniform(0, 0.5, len(cost))
    half = np.arange(len(models)) % 2 == 0
    frame = results(models[half], seconds[half])
    found = expected.expect(ask(models[~half]), "This one", "cpu", protocol=CPU, speed=frame)
    slope, base = np.polyfit(cost[half], seconds[half], 1)
    assert base > 0
    assert slope > 0
    assert found.seconds == pytest.approx((base + slope * cost[~half]).sum())
    assert found.seconds == pytest.approx(seconds[~half].sum(), rel=0.05)
    assert (found.rows, found.device, found.precision, found.pace) == (20, "This one", "fp32", 1.0)


def test_a_processor_is_the_same_whatever_cores_its_rows_name(models):
    frame = results(models, np.full(40, 2.0), device="AMD EPYC (2 cores)")
    found = expected.expect(ask(models), "AMD EPYC", "cpu", protocol=CPU, speed=frame)
    assert (found.is_here, found.pace, found.seconds) == (True, 1.0, pytest.approx(80))
    other = expected.expect(ask(models), "AMD EPYC 9", "cpu", protocol=CPU, speed=frame)
    assert (other.is_here, other.pace) == (False, None)


def test_each_measure_goes_by_its_own_rows(models):
    frame = pd.concat(
        [
            results(models, np.full(40, 2.0)),
            results(models, np.full(40, 7.0), run="r2", measure="latency"),
        ]
    )
    for measure, each_s in (("throughput", 2.0), ("latency", 7.0)):
        found = expected.expect(ask(models, measure), "This one", "cpu", protocol=CPU, speed=frame)
        assert found.seconds == pytest.approx(40 * each_s)


def test_the_precision_that_is_asked_for_goes_before_more_rows_of_another(models):
    frame = pd.concat(
        [
            results(models, np.full(40, 2.0)),
            results(models[:5], np.full(5, 9.0), run="r2", precision="bf16"),
        ]
    )
    for precision, each_s, rows in (("fp32", 2.0, 40), ("bf16", 9.0, 5), ("amp-bf16", 2.0, 40)):
        found = expected.expect(
            ask(models), "This one", "cpu", protocol=Protocol(precision=precision), speed=frame
        )
        assert (found.seconds, found.rows) == (pytest.approx(40 * each_s), rows)


def test_another_device_is_scaled_by_the_speeds_known_of_both(models):
    cost = models["multiply_adds"].to_numpy(dtype=float)
    seconds = 1.0 + cost / 1e9
    speeds = [
        results(models, seconds),  # 1 image/s each
        results(models, seconds, run="p", device="Half as fast", source="timm", images_per_s=0.5),
    ]
    found = expected.expect(
        ask(models), "Half as fast", "cpu", protocol=CPU, speed=pd.concat(speeds)
    )
    assert found.seconds == pytest.approx(40 * 1.0 + 2 * cost.sum() / 1e9)
    assert (found.device, found.pace) == ("This one", pytest.approx(2.0))


def test_of_a_device_without_any_speed_only_the_others_time_is_told(models):
    found = expected.expect(
        ask(models), "Unheard of", "cpu", protocol=CPU, speed=results(models, np.full(40, 2.0))
    )
    assert (found.seconds, found.device, found.pace) == (pytest.approx(80), "This one", None)


@pytest.mark.parametrize(
    "changed", [{"device_kind": "cuda"}, {"compiled": "inductor"}, {"source": "timm 2026-08"}]
)
def test_where_nothing_like_it_was_measured_nothing_is_said(models, changed):
    frame = results(models, np.full(40, 2.0), **changed)
    assert expected.expect(ask(models), "This one", "cpu", protocol=CPU, speed=frame) is None


def test_two_rows_promise_nothing(models):
    frame = results(models[:2], np.full(2, 2.0))
    assert expected.expect(ask(models), "This one", "cpu", protocol=CPU, speed=frame) is None
    assert expected.expect(ask(models), "This one", "cpu", protocol=CPU, speed=frame[:0]) is None


def test_what_ships_is_read_without_complaint(speed):
    asked = [Workload(architecture="resnet50", image_size=224, measure="throughput")]
    found = expected.expect(asked, "No such device", "cpu", protocol=CPU, speed=speed)
    assert found is None or found.seconds > 0


def test_what_is_refused_adds_no_time(models):
    frame = results(models, np.full(40, 3.0))
    asked = ask(models)
    refused = [
        Workload(architecture=name, image_size=1024, measure="throughput")
        for name in catalogue.refused()
    ]
    found, with_refused = (
        expected.expect(list_, "This one", "cpu", protocol=CPU, speed=frame)
        for list_ in (asked, [*asked, *refused])
    )
    assert len(refused) == 5
    assert found == with_refused
