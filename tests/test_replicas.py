"""Two replicas behind nginx: a reader stays at one, and goes on at the other when it dies."""

import re
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
import vega
from browsing import PATIENCE_MS, idle, visit
from playwright.sync_api import Page, expect
from replicas import site

VIEW = "/?show=Best+of+each+family&search=convnext"
RERUNS = re.compile(r'^page_reruns_total{page="Models"} (\d+)$', re.MULTILINE)


def reruns(url: str) -> int:
    """How many times a replica has run the Models page."""
    with urllib.request.urlopen(f"{url}/_stcore/metrics", timeout=10) as answer:
        found = RERUNS.search(answer.read().decode())
    return int(found[1]) if found else 0


@pytest.mark.timeout(300)
def test_readers_of_a_replica_that_dies_come_back_to_their_view_at_the_other(
    open_page: Callable[..., Page], tmp_path: Path
) -> None:
    data, folder = tmp_path / "data", tmp_path / "site"
    data.mkdir()
    folder.mkdir()
    with site(data, folder) as there:
        page = open_page(base_url=there.url)
        visit(page, VIEW)
        rows = sorted(row["model"] for row in vega.shown(page))
        assert 1 < len(rows) < 200
        (cookie,) = (c for c in page.context.cookies() if c["name"] == "replica")
        for _ in range(3):
            page.reload()
            vega.wait(page)
            idle(page)
        assert [c for c in page.context.cookies() if c["name"] == "replica"] == [cookie]
        counts = [reruns(replica.url) for replica in there.replicas]
        assert min(counts) == 0, f"one reader, one replica: {counts}"

        expect(page.get_by_role("button", name="Run benchmark")).to_be_disabled()

        script = page.evaluate("document.querySelector('script[src]').src")
        asked = urllib.request.Request(script, headers={"Accept-Encoding": "gzip"})
        with urllib.request.urlopen(asked, timeout=10) as answer:
            assert answer.headers["Content-Encoding"] == "gzip"
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{there.url}/_stcore/metrics", timeout=10)

        at = counts.index(max(counts))
        there.replicas[at].kill()
        address = page.url
        page.goto("about:blank")
        page.goto(address, timeout=PATIENCE_MS)
        vega.wait(page)
        idle(page)
        assert page.url == address
        assert sorted(row["model"] for row in vega.shown(page)) == rows
        assert reruns(there.replicas[1 - at].url) > 0
        page.context.close()
