"""The runs that ship: what they state follows from the raw samples that they keep."""

import json

import numpy as np
import pytest

from bench import measuring, points, statistics, store
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


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_inference_held_what_is_taken_for_more_than_any_model_holds(file):
    frame = store.read(file, store.SPEED_SCHEMA).to_pandas()
    frame = frame[frame["peak_memory_bytes"].notna() & (frame["measure"] != "training")]
    assert len(frame)
    held = frame["peak_memory_bytes"] - 4 * frame["parameters"]
    pixels = frame["batch_size"] * frame["image_size"] ** 2
    assert (held / pixels).max() < measuring._INFERENCE_BYTES_PER_PIXEL


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


def test_how_a_row_was_measured_travels_with_it_and_is_null_where_nothing_is_known(tmp_path):
    details = {"stopped_by": "interval", "temperature_c": [61, 63], "power_capped_share": None}
    work = Workload(architecture="resnet18", image_size=224, measure="latency")
    good = Measurement(
        workload=work,
        outcome="ok",
        measured_at=utc_now(),
        batch_size=1,
        samples_s=(1.0,),
        details=details,
    )
    bad = Measurement(workload=work, outcome="crashed", measured_at=utc_now())
    where = Environment(device="Some GPU", device_kind="cuda")
    path = tmp_path / "results.parquet"
    store.publish(store.speed_table("run", [good, bad], Protocol(), where, {}), path)
    kept, nothing = store.read(path, store.SPEED_SCHEMA)["details"].to_pylist()
    assert json.loads(kept) == details
    assert nothing is None


def test_a_file_from_before_the_details_were_kept_is_read_with_nulls(tmp_path):
    whole = store.read(FILES[0], store.SPEED_SCHEMA)
    path = tmp_path / "old.parquet"
    store.publish(whole.drop_columns(["details"]), path)
    old = store.read(path, store.SPEED_SCHEMA)
    assert old.drop_columns(["details"]).equals(whole.drop_columns(["details"]))
    assert old["details"].null_count == len(old)


def test_charts_do_not_read_what_only_a_download_holds():
    assert not {"details", "samples_s"} & set(points.SPEED_COLUMNS)
