"""The foot of the sidebar: Run benchmark, or the progress of the run that lives.

This module submits and reads; it never measures. A run goes on whatever becomes of the page.
"""

import importlib.util

import streamlit as st

from bench import catalogue, runs
from bench.errors import BenchError
from bench.permission import why_not
from bench.records import Protocol, Workload
from bench.run_checks import why_no_room
from bench.run_status import Status
from pages.ui import data, selection, who, words

POLL_S = 1.0
QUICK, BEST, SEARCH = "Quick look", "Best of each family", "Search"
PRECISIONS = {
    "cpu": ["fp32", "bf16", "amp-bf16"],
    "cuda": ["amp-fp16", "amp-bf16", "bf16", "fp16", "fp32"],
}
STATE_WORDS = {
    "done": "is done",
    "partial": "ended early; what it measured is kept",
    "failed": "failed",
    "cancelled": "was cancelled",
    "crashed": "crashed; what it measured is kept",
}


def sidebar_foot() -> None:
    """Draw the button, or the progress of every run that lives."""
    folder = data.folder()
    if message := st.session_state.pop("toast", None):
        st.toast(message, icon=":material/speed:", duration="long")
    with st.sidebar:
        for problem in runs.recover(folder):
            st.warning(words.escaped(problem), icon=":material/warning:")
        alive = [status for status in runs.list_runs(folder) if status.alive]
        for status in alive:
            with st.container(border=True, key=f"progress-{status.run}"):
                _progress(status.run)
        if not alive:
            _button()


def _button() -> None:
    reason = why_not(who.asker()) or _why_no_torch() or why_no_room(data.folder(), rows=1)
    pressed = st.button(
        "Run benchmark",
        type="primary",
        width="stretch",
        icon=":material/speed:",
        disabled=reason is not None,
        key="run_benchmark",
        help="Measure timm's models on this machine." if reason is None else None,
    )
    if reason is not None:
        st.caption(words.escaped(reason))
    if pressed:
        _dialog()


def _why_no_torch() -> str | None:
    missing = [name for name in ("torch", "timm") if importlib.util.find_spec(name) is None]
    if not missing:
        return None
    return f"Measuring needs {' and '.join(missing)}: pip install -r requirements.txt."


@st.fragment(run_every=POLL_S)
def _progress(run: str) -> None:
    """One living run: how far, what now, how long still; ends in a full rerun."""
    folder = data.folder()
    now = runs.status(run, folder)
    if not now.alive:
        st.session_state["toast"] = f"{_words(now)} {STATE_WORDS.get(now.state, now.state)}."
        st.rerun()
    measured = now.done - sum(now.failures.values())
    if measured and run not in st.session_state.setdefault("runs_with_points", set()):
        st.session_state["runs_with_points"].add(run)
        if st.session_state.get("started_run") == run:
            st.session_state["lay_beside"] = run
        st.rerun()
    st.markdown(f"**{_words(now)}**")
    st.progress(now.done / now.total if now.total else 0.0, text=_how_far(now))
    if now.current is not None:
        st.caption(
            words.escaped(
                f"{now.current.architecture}, {now.current.image_size} px, "
                f"{selection.MEASURE_NAMES[now.current.measure].lower()}"
                + (f": {now.phase.replace('_', ' ')}" if now.phase else "")
            )
        )
    if now.failures:
        st.caption(failures(now))
    cancel(now, place="sidebar")


def cancel(now: Status, *, place: str) -> None:
    """The Cancel button of a living run; says so once it was pressed, by whoever.

    Args:
        now: the run.
        place: where on the page the button is; there may be several.
    """
    if now.cancelling:
        st.caption("Cancelling …")
        return
    if problem := st.session_state.pop(f"cancel_problem-{place}", None):
        st.error(words.escaped(problem))
    st.button(
        "Cancel",
        key=f"cancel-{place}-{now.run}",
        on_click=_cancel,
        args=(now.run, place),
        icon=":material/stop_circle:",
        width="stretch",
    )


def _cancel(run: str, place: str) -> None:
    """Callback, so that the rerun after the press already finds the run asked to stop."""
    try:
        runs.cancel(run, data.folder(), by=who.asker())
    except BenchError as error:
        st.session_state[f"cancel_problem-{place}"] = str(error)


def failures(now: Status) -> str:
    """`2 out of memory, 1 timeout`, as Markdown."""
    counts = (f"{count} {outcome.replace('_', ' ')}" for outcome, count in now.failures.items())
    return words.escaped("Without a figure: " + ", ".join(counts))


def _words(now: Status) -> str:
    return words.escaped(f"Benchmark of {now.title}")


def _how_far(now: Status) -> str:
    if now.state != "running":
        return f"{now.state} …"
    eta = f", {words.left(now.eta_s)}" if now.eta_s is not None else ""
    return f"{now.done} of {now.total}{eta}"


@st.dialog("Run a benchmark on this machine", width="medium")
def _dialog() -> None:
    try:
        _form()
    except BenchError as error:
        st.error(words.escaped(str(error)), icon=":material/error:")


def _form() -> None:
    with st.spinner("Looking for devices …"):
        devices = runs.devices()
    usable = [device for device in devices if device.usable]
    for device in devices:
        if device.reason:
            st.caption(words.escaped(f"{device.name} cannot be used: {device.reason}."))
    if not usable:
        return
    preset = st.segmented_control(
        "Models", [QUICK, BEST, SEARCH], default=QUICK, required=True, key="run_preset"
    )
    names: list[str] = []
    if preset == SEARCH:
        names = st.multiselect(
            "Architectures",
            sorted(catalogue.models()["architecture"].unique()),
            key="run_names",
            placeholder="type part of a name",
        )
    left, right = st.columns(2)
    device = left.selectbox(
        "Device", usable, format_func=lambda device: device.name, key="run_device"
    )
    precision = right.selectbox(
        "Precision", PRECISIONS.get(device.kind, ["fp32"]), key="run_precision"
    )
    measures = st.pills(
        "Measures",
        list(selection.MEASURE_NAMES),
        selection_mode="multi",
        default=["throughput"],
        format_func=selection.MEASURE_NAMES.__getitem__,
        key="run_measures",
    )
    minutes = st.number_input(
        "Time limit (minutes)",
        min_value=1,
        max_value=24 * 60,
        value=10,
        key="run_minutes",
        help="What is measured by then is kept.",
    )
    pairs = _pairs(preset or QUICK, names)
    count = len(pairs) * len(measures)
    st.caption(
        f"{words.counted(len(pairs), 'model')}, {words.counted(count, 'measurement')}; "
        f"ends after {words.counted(minutes, 'minute')} at the latest. "
        "You may close the page meanwhile."
    )
    if st.button(
        "Start", type="primary", disabled=not count, key="run_start", icon=":material/play_arrow:"
    ):
        workloads = tuple(
            Workload(architecture=architecture, image_size=size, measure=measure)
            for architecture, size in pairs
            for measure in measures
        )
        _start(workloads, device.id, precision, minutes * 60.0)


def _start(
    workloads: tuple[Workload, ...], device: str, precision: str, time_limit_s: float
) -> None:
    by = who.asker()
    request = runs.Request(
        workloads=workloads,
        device=device,
        protocol=Protocol(precision=precision),
        who=by.who,
        time_limit_s=time_limit_s,
    )
    st.session_state["started_run"] = runs.submit(request, data.folder(), by=by)
    st.rerun()


def _pairs(preset: str, names: list[str]) -> list[tuple[str, int]]:
    """The (architecture, image size) pairs of a preset; the quickest first."""
    if preset == SEARCH:
        return catalogue.work_list(architectures=names) if names else []
    if preset == QUICK:
        return catalogue.work_list(preset="quick")
    return data.best_of_each_family(data.speed_signature(), data.accuracy_signature())
