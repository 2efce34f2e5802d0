"""What whoever runs the server can ask of it: health, counters, log lines."""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from browsing import visit
from playwright.sync_api import Page, expect
from test_run_survives import start_from_the_sidebar

PATIENCE_MS = 120_000


def asked(url: str) -> str:
    with urllib.request.urlopen(url, timeout=90) as answer:
        assert answer.status == 200
        return answer.read().decode()


def samples(text: str, family: str) -> dict[str, float]:
    """Label value -> value of a family's samples, each of which has one label."""
    found = re.findall(rf'^{family}{{\w+="([^"]*)"}} ([\d.]+)$', text, flags=re.MULTILINE)
    return {label: float(value) for label, value in found}


READY = "/_stcore/script-health-check"


def test_a_server_is_ready_when_a_page_can_be_drawn_and_not_when_its_data_cannot_be(
    serve: Callable, tmp_path: Path
) -> None:
    with serve(tmp_path) as server:
        assert asked(f"{server.url}{READY}") == "ok"
    with serve(tmp_path, env={"BENCH_DATA": "s3://Not a bucket"}) as server:
        server.provoked = ["Traceback", "Uncaught"]
        assert asked(f"{server.url}/_stcore/health") == "ok", "it lives"
        with pytest.raises(urllib.error.HTTPError, match="503"):
            asked(f"{server.url}{READY}")
        assert "InvalidRequest" in server.log, "the reason is in the log"


@pytest.mark.timeout(300)
def test_a_server_tells_its_health_its_counters_and_who_started_what(
    serve: Callable, open_page: Callable[..., Page], tmp_path: Path
) -> None:
    with serve(tmp_path) as server:
        assert asked(f"{server.url}/_stcore/health") == "ok"
        assert samples(asked(f"{server.url}/_stcore/metrics"), "page_reruns_total") == {}

        page = open_page(base_url=server.url)
        visit(page)
        text = asked(f"{server.url}/_stcore/metrics")
        before = samples(text, "page_reruns_total")
        assert before["Models"] >= 1
        assert samples(text, "benchmark_runs") == {}

        start_from_the_sidebar(page, ("test_vit",))
        expect(page.get_by_text("test_vit is done")).to_be_visible(timeout=PATIENCE_MS)
        text = asked(f"{server.url}/_stcore/metrics")
        assert samples(text, "page_reruns_total")["Models"] > before["Models"]
        assert samples(text, "benchmark_runs") == {"done": 1}
        assert samples(text, "benchmark_rows") == {"ok": 1}
        assert text.endswith("# EOF\n")

        (run,) = (path.name for path in (tmp_path / "runs").iterdir())
        told = [json.loads(line) for line in server.log.splitlines() if line.startswith("{")]
        (line,) = (one for one in told if one.get("run") == run)
        assert line["message"] == "run submitted"
        assert line["device"] == "cpu"
        assert line["workloads"] == 1
        assert line["at"].endswith("+00:00")
        page.context.close()
