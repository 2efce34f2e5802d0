"""The dashboard without a browser: Streamlit's own AppTest, what it drew, and Parquet to draw."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import harness
import pandas as pd
import pyarrow as pa
from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import AppTest, app_test

from bench import store


def visit(page: str = "models", **query: str | list[str]) -> AppTest:
    """A fresh reader who follows a link to a page: through app.py, with these query parameters."""
    _keep_the_server_warm()
    app = AppTest.from_file(str(harness.REPOSITORY / "app.py"), default_timeout=60)
    if page != "models":
        app.run()
        app.switch_page(f"pages/{page}.py")
    for name, value in query.items():
        app.query_params[name] = value
    return settled(app.run())


def _keep_the_server_warm() -> None:
    """Let AppTest remember that st.navigation has run, as a server does.

    It forgets that before every run, and would then run a page's file without app.py; it forgets
    in the class that it knows under this name.
    """
    PagesManager.uses_pages_directory = False
    app_test.PagesManager = type("WarmPagesManager", (PagesManager,), {})


def settled(app: AppTest) -> AppTest:
    """The same, and no script of it ended in an exception."""
    assert not app.exception, [error.value for error in app.exception]
    return app


def drawn(app: AppTest) -> pd.DataFrame:
    """The rows that the page's first chart was given."""
    proto = app.get("vega_lite_chart")[0].proto
    rows = pa.ipc.open_stream(proto.data.data).read_all().to_pandas()
    return rows.astype(dict.fromkeys(rows.select_dtypes("category"), "str"))


def shown(app: AppTest) -> pd.DataFrame:
    """The bubbles of the first set: what is drawn, without what only the frontier runs through."""
    rows = drawn(app)
    return rows[rows["shown"] & ~rows["beside"]]


def specification(app: AppTest) -> str:
    """The first chart's specification as it went to the browser."""
    return app.get("vega_lite_chart")[0].proto.spec


def alternative(app: AppTest) -> str:
    """The first chart's text for those who do not see it."""
    return app.get("vega_lite_chart")[0].proto.alt


def messages(app: AppTest) -> dict[str, list[str]]:
    """Banners by kind, as plain text."""
    return {
        kind: [plain(element.value) for element in getattr(app, kind)]
        for kind in ("info", "warning", "error")
    }


def sentence(app: AppTest) -> str:
    """The sentence above the chart, as plain text."""
    (text,) = [plain(one.value) for one in app.main.markdown if "most accurate" in one.value]
    return text


def plain(markdown: str) -> str:
    """Without Markdown's escapes and bold marks, and the joiners that keep addresses text."""
    return markdown.replace("\\", "").replace("**", "").replace("\u2060", "")


def publish_speeds(
    data: Path, run: str, rows: list[dict[str, Any]], *, folder: str = "runs"
) -> Path:
    """A results set of one's own: `rows` need architecture, image_size and images_per_s."""
    path = data / "runs" / run / "results.parquet"
    if folder == "measured":
        path = data / "measured" / f"{run}.parquet"
    store.publish(
        pa.Table.from_pylist([_speed(run, row) for row in rows], store.SPEED_SCHEMA), path
    )
    return path


def _speed(run: str, row: dict[str, Any]) -> dict[str, Any]:
    images_per_s = row.get("images_per_s")
    step_s = 8 / images_per_s if images_per_s else None
    return {
        "run": run,
        "source": "measured",
        "model": row["architecture"],
        "measure": "throughput",
        "batch_size": 8 if step_s else None,
        "step_s": step_s,
        "step_low_s": step_s * 0.98 if step_s else None,
        "step_high_s": step_s * 1.03 if step_s else None,
        "outcome": "ok" if step_s else "out_of_memory",
        "flags": [],
        "device": "A card of one's own",
        "device_kind": "cuda",
        "precision": "fp32",
        "layout": "nchw",
        "compiled": "eager",
        "torch": "2.13.0",
        "timm": "1.0.31",
        "measured_at": datetime(2026, 11, 1, 12, 0, tzinfo=UTC),
        "environment": json.dumps({}),
        **row,
    }


OF_A_CPU = "2026-08-timm-i7-12700h-fp32-nchw-pt2.4.0-compiled"


def publish_slower_cpu(
    data: Path, run: str, count: int, *, pattern: str = "", seed: int = 0, slower: float = 1.0
) -> list[tuple[str, int]]:
    """A run of one's own: `count` models as OF_A_CPU had them, but so many times as slow.

    pattern is one that architectures match. Returns the models with their image sizes.
    """
    speed = pd.read_parquet(store.SHIPPED / "published" / "speed.parquet")
    of_cpu = speed[(speed["run"] == OF_A_CPU) & (speed["model"] == speed["architecture"])]
    rows = of_cpu[of_cpu["architecture"].str.match(pattern)]
    rows = rows.drop_duplicates(["architecture", "image_size"]).sample(count, random_state=seed)
    publish_speeds(
        data,
        run,
        [
            {
                "architecture": row.architecture,
                "image_size": row.image_size,
                "measure": "latency",
                "batch_size": 1,
                "images_per_s": row.images_per_s / slower,
                "step_s": slower * row.step_s,
                "step_low_s": 0.99 * slower * row.step_s,
                "step_high_s": 1.01 * slower * row.step_s,
                "device_kind": "cpu",
            }
            for row in rows.itertuples()
        ],
    )
    return list(zip(rows["architecture"], rows["image_size"], strict=True))


def publish_accuracy(data: Path, rows: list[dict[str, Any]]) -> Path:
    """An accuracy snapshot newer than what ships: `rows` need model, image_size, top1_percent."""
    path = data / "published" / "accuracy.parquet"
    defaults = {"snapshot": "2999-01", "dataset": "imagenet-1k", "source": "a test"}
    full = [defaults | {"architecture": row["model"].partition(".")[0]} | row for row in rows]
    store.publish(pa.Table.from_pylist(full, store.ACCURACY_SCHEMA), path)
    return path
