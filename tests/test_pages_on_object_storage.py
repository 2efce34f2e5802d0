"""The dashboard with its results in a bucket."""

from pathlib import Path

import dashboard
import pytest
import streamlit as st

from bench import store

RUN = "2026-11-01T120000Z-0001"
ROWS = [
    {"architecture": "resnet18", "image_size": 224, "images_per_s": 900.0},
    {"architecture": "resnet50", "image_size": 224, "images_per_s": 400.0},
]


@pytest.fixture
def in_bucket(bucket, tmp_path, monkeypatch):
    """A bucket with one results set, as another machine may have put it there."""
    monkeypatch.setenv("BENCH_DATA", f"s3://{bucket.name}/team")
    monkeypatch.setenv("BENCH_LOCKS", str(tmp_path / "locks"))
    path = dashboard.publish_speeds(tmp_path / "elsewhere", RUN, ROWS)
    bucket.put(f"runs/{RUN}/results.parquet", path.read_bytes())
    return bucket


def test_a_results_set_in_a_bucket_is_on_the_chart(in_bucket):
    app = dashboard.visit(set=RUN)
    assert len(dashboard.shown(app)) == len(ROWS)
    assert not dashboard.messages(app)["warning"]


def test_a_damaged_object_is_named_and_everything_else_is_shown(in_bucket):
    in_bucket.put("runs/2026-11-01T120000Z-0002/results.parquet", b"PAR1 damaged PAR1")
    app = dashboard.visit(set=RUN)
    (warning,) = dashboard.messages(app)["warning"]
    assert "2026-11-01T120000Z-0002/results.parquet" in warning
    assert len(dashboard.shown(app)) == 2


def test_a_store_that_refuses_is_named_and_what_ships_is_shown(in_bucket):
    in_bucket.network.everything = 403
    app = dashboard.visit()
    said = dashboard.messages(app)["warning"]
    assert any("access denied" in text for text in said)
    assert len(dashboard.shown(app)) > 100


def test_the_button_is_off_where_results_could_be_lost(in_bucket):
    in_bucket.network.ignores_conditions = True
    app = dashboard.visit()
    (button,) = [b for b in app.sidebar.button if b.label == "Run benchmark"]
    assert button.disabled
    assert any("If-None-Match" in dashboard.plain(c.value) for c in app.sidebar.caption)


def test_a_place_that_is_none_is_said_on_the_page(monkeypatch):
    monkeypatch.setenv("BENCH_DATA", "s3://key:hush@bucket")
    # A browser asks, which AppTest is not.
    monkeypatch.setattr(type(st.context), "headers", {"Host": "localhost"})
    app = dashboard.visit()
    (error,) = dashboard.messages(app)["error"]
    assert "credentials only in the environment" in error
    assert "hush" not in error


def test_a_set_of_a_bucket_can_be_downloaded_where_it_was_measured(in_bucket):
    in_bucket.put("runs/x", b"no results")
    assert [str(p) for p in store.speed_files(in_bucket.data)][-1].endswith("results.parquet")
    assert not list(Path(in_bucket.data).rglob("*.parquet"))
