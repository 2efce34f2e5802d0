"""What whoever runs the server can see of it: counters for Prometheus, and log lines as JSON.

Streamlit serves `/_stcore/health` and, in OpenMetrics text, `/_stcore/metrics`; ours stand there
beside its own, from the first page that anybody opened on. The log lines go to the server's error
stream, one JSON object each.
"""

import logging
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import streamlit as st
from pythonjsonlogger.json import JsonFormatter
from streamlit.runtime import Runtime
from streamlit.runtime.stats import CounterStat, GaugeStat, Stat

from bench import runs
from pages.ui import data

RERUNS, RUNS, ROWS = "page_reruns", "benchmark_runs", "benchmark_rows"
HELP = {
    RERUNS: "Page scripts run since the server started.",
    RUNS: "Runs in the data folder, by state.",
    ROWS: "Rows of all runs in the data folder, by outcome; all but ok are failures.",
}


class Operations:
    """A provider of Streamlit's metrics: what pages ran here, and how the runs stand."""

    stats_families: Sequence[str] = tuple(HELP)

    def __init__(self) -> None:
        """With nothing counted yet."""
        self._reruns: Counter[str] = Counter()
        self._changing = threading.Lock()

    def rerun(self, page: str) -> None:
        """Count one run of a page's script."""
        with self._changing:
            self._reruns[page] += 1

    def get_stats(self, family_names: Sequence[str] | None = None) -> Mapping[str, Sequence[Stat]]:
        """The families asked for, else all. Runs are looked up when asked, never counted twice."""
        wanted = self.stats_families if family_names is None else family_names
        found: dict[str, Sequence[Stat]] = {}
        if RERUNS in wanted:
            with self._changing:
                reruns = dict(self._reruns)
            found[RERUNS] = [
                CounterStat(RERUNS, count, {"page": page}, help=HELP[RERUNS])
                for page, count in sorted(reruns.items())
            ]
        if RUNS in wanted or ROWS in wanted:
            states, outcomes = self._of_runs()
            for family, label, counts in ((RUNS, "state", states), (ROWS, "outcome", outcomes)):
                found[family] = [
                    GaugeStat(family, count, {label: name}, help=HELP[family])
                    for name, count in sorted(counts.items())
                ]
        return found

    def _of_runs(self) -> tuple[Counter[str], Counter[str]]:
        states: Counter[str] = Counter()
        outcomes: Counter[str] = Counter()
        for status in runs.list_runs(data.folder()):
            states[status.state] += 1
            outcomes.update(status.failures)
            outcomes["ok"] += status.done - sum(status.failures.values())
        return states, outcomes


@st.cache_resource(show_spinner=False)
def operations() -> Operations:
    """The one of this server; made, and announced to Streamlit, at the first page."""
    ours = Operations()
    if Runtime.exists():
        Runtime.instance().stats_mgr.register_provider(ours)
    _log_as_json()
    return ours


def _log_as_json() -> None:
    """Send what `bench` logs to the error stream, an object a line."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter("%(levelname)s %(name)s %(message)s"))
    logger = logging.getLogger("bench")
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False


class _Formatter(JsonFormatter):
    """With the time as the journal writes it."""

    def add_fields(
        self,
        log_data: dict[str, object],
        record: logging.LogRecord,
        message_dict: dict[str, object],
    ) -> None:
        """See JsonFormatter."""
        log_data["at"] = datetime.fromtimestamp(record.created, UTC).isoformat()
        super().add_fields(log_data, record, message_dict)
