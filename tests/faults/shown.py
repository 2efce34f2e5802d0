"""How soon a page shows what happened: a real server, a real browser, real runs.

The browser notes the time at which a text or a point is there, looking twenty times a second; the
journal, the press and the kill say when it happened. All clocks are this machine's.
"""

import contextlib
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from playwright.sync_api import sync_playwright

from bench import runs
from bench.worker_process import ROOT
from tests.faults import stage

PATIENCE_MS = 180_000
# With a published accuracy, or they would not be on the chart.
NAMES = ("test_byobnet", "test_convnext", "test_efficientnet", "test_nfnet", "test_resnet")
ROWS = len(NAMES)

# What the issue of these runs asks for, in seconds.
BOUNDS_S = {
    "a row on the Runs page": 2.0,
    "a row in the sidebar": 2.0,
    "a row on the chart": 2.0,
    "a press of Cancel": 2.0,
    "the end of a cancelled run, its worker deaf": 12.0,
    "a crash on the Runs page": 5.0,
    "a crash in the sidebar": 5.0,
}

_NOTE_WHEN = """([name, condition]) => {
  const isThere = new Function(`return (${condition})`);
  window.seenAt ??= {};
  const look = () => {
    let found = false;
    try { found = isThere(); } catch { found = false; }
    if (found) window.seenAt[name] = Date.now() / 1000; else setTimeout(look, 50);
  };
  look();
}"""


@dataclass
class Seen:
    """How long each thing took to be shown, in seconds, at each try."""

    took_s: dict[str, list[float]] = field(default_factory=dict)

    def add(self, what, seconds):
        self.took_s.setdefault(what, []).append(seconds)

    def lines(self):
        """what, bound, tries, median, longest, how many were too late."""
        for what, bound_s in BOUNDS_S.items():
            took = self.took_s.get(what, [])
            if took:
                late = sum(seconds > bound_s for seconds in took)
                yield what, bound_s, len(took), statistics.median(took), max(took), late


def measure(tries, browser=None):
    """Bring everything about so often on a server of its own, and say when it was seen.

    browser: a Chromium that Playwright drives; None: start one.
    """
    # Where pytest finds them too.
    sys.path.insert(0, str(ROOT / "tests"))
    import harness

    seen = Seen()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        data, home = folder / "data", folder / "home"
        data.mkdir()
        home.mkdir()
        stack.enter_context(_environment(BENCH_LOCKS=str(home / "locks")))
        server = stack.enter_context(harness.serve(data, home))
        if browser is None:
            browser = stack.enter_context(sync_playwright()).chromium.launch(
                executable_path=harness.chromium(), args=harness.CHROMIUM_FLAGS
            )
            stack.callback(browser.close)
        for _ in range(tries):
            rows(browser, server, data, seen)
            cancel(browser, server, data, seen)
            crash(browser, server, data, seen)
    return seen


def rows(browser, server, data, seen):
    """A row as it is finished: in the card of its run, beside the button, and on the chart."""
    # Each waits until the pages are open; the first makes the run a results set.
    gates = {name: data / name for name in NAMES[1:]}
    plan = {name: f"gate:{gate}" for name, gate in gates.items()}
    run = stage.submit(data, *NAMES, plan=plan)
    stage.until(lambda: runs.status(run, data).done, "the first row")
    pages = {
        "a row on the Runs page": _open(browser, f"{server.url}/runs"),
        "a row in the sidebar": _open(browser, f"{server.url}/method"),
        "a row on the chart": _open(browser, f"{server.url}/?set={run}&test_models=true"),
    }
    pages["a row on the chart"].wait_for_function(
        f"({_view()})()?.data('source').length > 0", timeout=PATIENCE_MS
    )
    # The last row ends the run, which is another matter.
    for number in range(2, ROWS):
        name = NAMES[number - 1]
        text = f"document.body.textContent.includes('{number} of {ROWS}')"
        on_chart = f"({_view()})().data('source').some(row => row.model.startsWith('{name}.'))"
        for what, page in pages.items():
            _note_when(page, name, on_chart if what.endswith("chart") else text)
        gates[name].touch()
        seen_at = {what: _seen_at(page, name) for what, page in pages.items()}
        made = [e for e in stage.events(data, run) if e["event"] == "measurement"]
        at = datetime.fromisoformat(made[number - 1]["at"]).timestamp()
        for what, when in seen_at.items():
            seen.add(what, when - at)
    for page in pages.values():
        page.context.close()
    gates[NAMES[-1]].touch()
    stage.over(run, data)
    for gate in gates.values():
        gate.unlink()


def cancel(browser, server, data, seen):
    """A press of Cancel, and the end of a worker that ignores SIGTERM."""
    run = stage.submit(data, "test_vit", plan={"test_vit": "deaf:600"}, limits={"grace_s": 10.0})
    page = _open(browser, f"{server.url}/method")
    stage.measuring(run, data, "test_vit")
    button = page.get_by_test_id("stSidebar").get_by_role("button", name="Cancel")
    button.wait_for(timeout=PATIENCE_MS)
    _note_when(page, "cancel", "document.body.textContent.includes('Cancelling')")
    pressed = time.time()
    button.click()
    stage.over(run, data, timeout_s=60)
    stage.until(lambda: not stage.members(run), "the end of all its processes")
    seen.add("the end of a cancelled run, its worker deaf", time.time() - pressed)
    seen.add("a press of Cancel", _seen_at(page, "cancel") - pressed)
    page.context.close()


def crash(browser, server, data, seen):
    """SIGKILL of a supervisor."""
    run = stage.submit(data, "test_vit", plan={"test_vit": "slow:600"})
    stage.measuring(run, data, "test_vit")
    pages = {
        "a crash on the Runs page": _open(browser, f"{server.url}/runs"),
        "a crash in the sidebar": _open(browser, f"{server.url}/method"),
    }
    for page in pages.values():
        # Earlier runs have crashed as well: what is gone is the progress of the one that lived.
        page.locator("[class*='st-key-progress-']").wait_for(timeout=PATIENCE_MS)
        gone = "!document.querySelector(\"[class*='st-key-progress-']\")"
        _note_when(page, "crash", f"{gone} && document.body.textContent.includes('crashed')")
    killed = time.time()
    stage.supervisor_of(data, run).kill()
    for what, page in pages.items():
        seen.add(what, _seen_at(page, "crash") - killed)
        page.context.close()
    stage.until(lambda: not stage.members(run), "the end of all its processes")


@contextlib.contextmanager
def _environment(**values):
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _open(browser, address):
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.goto(address)
    page.locator("[class*='st-key-progress-']").first.wait_for(timeout=PATIENCE_MS)
    return page


def _note_when(page, name, condition):
    page.evaluate(_NOTE_WHEN, [name, condition])


def _seen_at(page, name):
    found = page.wait_for_function(
        "name => window.seenAt[name]", arg=name, polling=50, timeout=PATIENCE_MS
    )
    return found.json_value()


def _view():
    import vega

    return vega.VIEW
