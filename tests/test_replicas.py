"""Two replicas behind nginx: a reader stays at one, and goes on at the other when it dies.

So does whoever signed in, by a provider of identities that speaks OpenID Connect.
"""

import re
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import harness
import pytest
import vega
from browsing import PATIENCE_MS, idle, visit
from identity_provider import provider
from playwright.sync_api import Page, expect
from replicas import site

VIEW = "/?show=Best+of+each+family&search=convnext"


def reruns(url: str, title: str = "Models") -> int:
    """How many times a replica has run a page."""
    with urllib.request.urlopen(f"{url}/_stcore/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found = re.search(rf'^page_reruns_total{{page="{title}"}} (\d+)$', text, re.MULTILINE)
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
        for operators_only in ("metrics", "script-health-check"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(f"{there.url}/_stcore/{operators_only}", timeout=10)

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


@pytest.mark.timeout(300)
def test_who_signed_in_and_is_allowed_starts_benchmarks_at_either_replica(
    open_page: Callable[..., Page], tmp_path: Path
) -> None:
    data, folder = tmp_path / "data", tmp_path / "site"
    data.mkdir()
    folder.mkdir()
    port = harness.free_port()
    with provider() as identities:
        settings = {
            "port": port,
            "secrets": identities.secrets(f"http://127.0.0.1:{port}"),
            "env": {"BENCH_ALLOWED_EMAILS": "Ada@example.org"},
        }
        with site(data, folder, **settings) as there:
            page = open_page(base_url=there.url)
            page.goto("/method")
            button = page.get_by_role("button", name="Run benchmark")
            sign_in = page.get_by_role("button", name="Sign in")
            expect(page.get_by_text("Sign in to start a benchmark.")).to_be_visible(
                timeout=PATIENCE_MS
            )
            expect(button).to_be_disabled()

            identities.email = "eve@example.org"
            sign_in.click()
            # An address is shown so that it becomes no link, with a character that is not seen.
            reason = page.get_by_text(re.compile("eve.*is not on the list of those who may start"))
            expect(reason).to_be_visible(timeout=PATIENCE_MS)
            expect(button).to_be_disabled()
            page.get_by_role("button", name="Sign out").click()
            expect(sign_in).to_be_visible(timeout=PATIENCE_MS)

            identities.email = "ada@example.org"
            sign_in.click()
            ada = page.get_by_text(re.compile("Signed in as ada"))
            expect(ada).to_be_visible(timeout=PATIENCE_MS)
            expect(button).to_be_enabled()

            counts = [reruns(replica.url, "Models") for replica in there.replicas]
            at = counts.index(max(counts))
            assert min(counts) == 0, f"one reader, one replica: {counts}"
            there.replicas[at].kill()
            page.goto("about:blank")
            page.goto(f"{there.url}/method", timeout=PATIENCE_MS)
            expect(ada).to_be_visible(timeout=PATIENCE_MS)
            expect(button).to_be_enabled()
            assert reruns(there.replicas[1 - at].url, "Method") > 0
            page.context.close()
