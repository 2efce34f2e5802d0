"""The runs that ship: what they state follows from the raw samples that they keep."""

import json

import numpy as np
import pytest

from bench import statistics, store
from bench.records import Environment, Measurement, Protocol, Workload, utc_now

FILES = sorted((store.SHIPPED / "measured").glob("*.parquet"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_median_and_interval_follows_from_samples_and_noise(file):
    frame = store.read(file, store.SPEED_SCHEMA).to_pandas()
    [details] = {json.dumps(json.loads(text)["details"]) for text in frame["environment"]}
    noise = json.loads(details)["noise"] or 0.0
    good = frame[frame["outcome"] == "ok"]
    assert len(good)
    for row in good.itertuples():
        median_s, low_s, high_s = statistics.median_interval(row.samples_s)
        assert row.step_s == median_s == np.median(row.samples_s)
        assert row.step_low_s == pytest.approx(low_s / (1 + noise), rel=1e-12)
        assert row.step_high_s == pytest.approx(high_s * (1 + noise), rel=1e-12)
        assert row.images_per_s == pytest.approx(row.batch_size / median_s)


@pytest.mark.parametrize(
    ("details", "noise"), [({"noise": 0.25}, 0.25), ({"noise": None}, 0.0), ({}, 0.0)]
)
def test_a_cpu_s_noise_widens_what_is_stored_and_a_gpu_has_none(details, noise):
    row = Measurement(
        workload=Workload(architecture="resnet18", image_size=224, measure="latency"),
        outcome="ok",
        measured_at=utc_now(),
        batch_size=1,
        samples_s=tuple(1 + n / 100 for n in range(7)),
    )
    where = Environment(device="Some CPU", device_kind="cpu", details=details)
    table = store.speed_table("run", [row], Protocol(), where, {})
    [stored] = table.to_pandas().itertuples()
    assert stored.step_s == 1.03
    assert stored.step_low_s == pytest.approx(1 / (1 + noise))
    assert stored.step_high_s == pytest.approx(1.06 * (1 + noise))
