"""The foot of the sidebar: Run benchmark, or the progress of the run that lives.

This module submits and reads; it never measures. A run goes on whatever becomes of the page.
"""

import importlib.util

import streamlit as st

from bench import catalogue, executors, runs
from bench.devices import Device
from bench.errors import BenchError
from bench.permission import Asker, why_not
from bench.presets import measure_of_a_minute
from bench.records import Protocol, Workload, latency_first
from bench.run_checks import why_no_room
from bench.run_status import Status
from pages.ui import data, selection, who, words

POLL_S = 1.0
MINUTE = "My device in a minute"
QUICK, BEST, EVERYTHING, SEARCH = "Quick look", "Best of each family", "Everything", "Search"
# In the session: a run that ends meanwhile reruns the page, which would otherwise close the form.
FORM_IS_OPEN = "run_form_is_open"
START, WAIT = "Start", "Add to the queue"
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
    with st.sidebar:
        for problem in runs.recover(folder):
            st.warning(words.escaped(problem), icon=":material/warning:")
        known = runs.list_runs(folder)
        _tell_of_ends(known)
        alive = [status for status in known if status.alive]
        for status in sorted(alive, key=lambda status: status.place or 0):
            with st.container(border=True, key=f"progress-{status.run}"):
                _progress(status.run)
        asker = who.asker()
        reason = why_not(asker) or _why_no_torch() or why_no_room(folder, rows=1)
        _sign_in_or_out(asker)
        if not alive:
            _button(reason)
        elif reason is None:
            st.button(
                "Another benchmark",
                on_click=_open_form,
                kwargs={"beside": True},
                key="another_benchmark",
                type="tertiary",
                icon=":material/playlist_add:",
                help="On another device at once, on a busy one in its turn.",
            )
    if reason is None and st.session_state.get(FORM_IS_OPEN):
        _dialog()


def _sign_in_or_out(asker: Asker) -> None:
    """The way in, or who is in and the way out; nothing where sign-in is not configured."""
    if not asker.sign_in:
        return
    if asker.email is None:
        st.button("Sign in", on_click=st.login, key="sign_in", icon=":material/login:")
        return
    st.caption(f"Signed in as {words.escaped(asker.email)}.")
    st.button("Sign out", on_click=st.logout, key="sign_out", icon=":material/logout:")


def _tell_of_ends(known: list[Status]) -> None:
    """Tell once of each run that this session saw alive and that has ended since.

    Whichever script finds it ended tells, not only the fragment that follows it: a run may end
    while the page is drawn. A message is forgotten once it was sent: a script may be interrupted.
    """
    watched: set[str] = st.session_state.setdefault("watched_runs", set())
    for status in known:
        if status.alive:
            watched.add(status.run)
        elif status.run in watched:
            _toast(f"{_words(status)} {STATE_WORDS.get(status.state, status.state)}.")
            watched.remove(status.run)
    if message := st.session_state.get("toast"):
        _toast(message)
        del st.session_state["toast"]


def _toast(message: str) -> None:
    st.toast(message, icon=":material/speed:", duration="long")


def _button(reason: str | None) -> None:
    """Run benchmark; off where there is a reason, which is said."""
    st.button(
        "Run benchmark",
        on_click=_open_form,
        kwargs={"beside": False},
        type="primary",
        width="stretch",
        icon=":material/speed:",
        disabled=reason is not None,
        key="run_benchmark",
        help="Measure timm's models on this machine." if reason is None else None,
    )
    if reason is not None:
        st.caption(words.escaped(reason))


def _open_form(*, beside: bool) -> None:
    """Callback. Unless it is to run beside another, a press while a run lives shows that run."""
    is_free = not any(status.alive for status in runs.list_runs(data.folder()))
    st.session_state[FORM_IS_OPEN] = beside or is_free


def _close_form() -> None:
    st.session_state[FORM_IS_OPEN] = False


def _why_no_torch() -> str | None:
    missing = [name for name in ("torch", "timm") if importlib.util.find_spec(name) is None]
    if not missing:
        return None
    return f"Measuring needs {' and '.join(missing)}: pip install -r requirements.txt."


@st.fragment(run_every=POLL_S)
def _progress(run: str) -> None:
    """One living run: how far, what now, how long still; ends in a full rerun."""
    folder = data.folder()
    # A supervisor that does not answer is ended by whoever watches; what that says, the rerun says.
    runs.recover(folder)
    now = runs.status(run, folder)
    if not now.alive:
        st.rerun()
    measured = now.done - sum(now.failures.values())
    if measured and run not in st.session_state.setdefault("runs_with_points", set()):
        st.session_state["runs_with_points"].add(run)
        if st.session_state.get("started_run") == run:
            st.session_state["lay_beside"] = run
        st.rerun()
    st.markdown(f"**{_words(now)}**")
    progress(now)
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
    reason = why_not(who.asker())
    st.button(
        "Cancel",
        disabled=reason is not None,
        help=words.escaped(reason or "") or None,
        key=f"cancel-{place}-{now.run}",
        on_click=_cancel,
        args=(now.run, place),
        icon=":material/stop_circle:",
        width="stretch" if place == "sidebar" else "content",
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


def progress(now: Status) -> None:
    """How far a living run is, as a bar and in words; or where in line it waits."""
    if now.place is not None:
        # Its name takes seconds to find out where there is a GPU; a page asks every second.
        where = "the CPU" if now.device == "cpu" else words.escaped(now.device)
        st.caption(f"Waiting for {where}: number {now.place} in line.")
        return
    if now.state != "running":
        text = f"{now.state} …"
    else:
        eta = f", {words.left(now.eta_s)}" if now.eta_s is not None else ""
        text = f"{now.done:,} of {now.total:,}{eta}"
    st.progress(now.done / now.total if now.total else 0.0, text=words.escaped(text))


@st.dialog("Run a benchmark on this machine", width="medium", on_dismiss=_close_form)
def _dialog() -> None:
    try:
        _form()
    except BenchError as error:
        st.error(words.escaped(str(error)), icon=":material/error:")


def _form() -> None:
    with st.spinner("Looking for devices …"):
        devices = [*runs.devices(), *_cluster_devices()]
    usable = [device for device in devices if device.usable]
    for device in devices:
        if device.reason:
            st.caption(words.escaped(f"{device.name} cannot be used: {device.reason}."))
    if not usable:
        return
    preset = st.radio(
        "Models",
        [QUICK, MINUTE, BEST, EVERYTHING, SEARCH],
        horizontal=True,
        key="run_preset",
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
        "Device",
        usable,
        format_func=lambda device: device.name,
        key="run_device",
        help=_why_only_here(),
    )
    precision = right.selectbox(
        "Precision", PRECISIONS.get(device.kind, ["fp32"]), key="run_precision"
    )
    if preset == MINUTE:
        measures = [measure_of_a_minute(device.kind)]
        st.caption(
            "Measures the few models that tell most of all the others, in "
            f"{selection.MEASURE_NAMES[measures[0]].lower()}; the rest of the chart is estimated "
            "from them and drawn hollow."
        )
    else:
        measures = st.multiselect(
            "Measures",
            list(selection.MEASURE_NAMES),
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
    pairs = _pairs(preset, names, device, precision, measures)
    count = len(pairs) * len(measures)
    st.caption(
        f"{words.counted(len(pairs), 'model')}, {words.counted(count, 'measurement')}; "
        f"ends after {words.counted(minutes, 'minute')} at the latest. "
        "You may close the page meanwhile."
    )
    if count:
        st.caption(_expected(pairs, measures, device, precision))
    ahead = runs.ahead(device)
    if ahead:
        st.caption(
            words.escaped(f"{device.name} is busy: this one waits for ")
            + f"{words.counted(ahead, 'other')}."
        )
    # What the button said when it was pressed; since then the device may have become busy.
    promised = st.session_state.get("run_promised", START)
    label = st.session_state["run_promised"] = WAIT if ahead else START
    if st.button(
        label, type="primary", disabled=not count, key="run_start", icon=":material/play_arrow:"
    ):
        by = who.asker()
        request = runs.Request(
            workloads=tuple(
                Workload(architecture=architecture, image_size=size, measure=measure)
                for architecture, size in pairs
                for measure in latency_first(measures)
            ),
            device=device.id,
            executor=device.executor,
            protocol=Protocol(precision=precision),
            who=by.who,
            time_limit_s=minutes * 60.0,
        )
        _start(request, by, queue=promised == WAIT)


@st.cache_data(ttl=10.0, show_spinner=False)
def _cluster_devices() -> list[Device]:
    """Asked when the form opens, not at every key that is pressed in it."""
    return runs.cluster_devices()


def _why_only_here() -> str | None:
    reason = executors.why_no_cluster()
    return words.escaped(f"Of this machine only: {reason}.") if reason else None


def _start(request: runs.Request, by: Asker, *, queue: bool) -> None:
    """Start the run and close the form; or show the run that was asked the very same before."""
    known = {status.run for status in runs.list_runs(data.folder())}
    run = runs.submit(request, data.folder(), by=by, queue=queue)
    if run in known:
        st.session_state["toast"] = f"{_words(runs.status(run, data.folder()))} was started before."
    else:
        st.session_state["started_run"] = run
    _close_form()
    st.rerun()


def _expected(
    pairs: list[tuple[str, int]], measures: list[str], device: Device, precision: str
) -> str:
    """A sentence on how long that takes, as far as anything is known, as Markdown."""
    found = data.expectation(
        data.speed_signature(),
        pairs,
        measures,
        device=device.name,
        kind=device.kind,
        precision=precision,
    )
    if found is None:
        return "How long that takes is not known: nothing was measured on such a device yet."
    about = f"about {words.roughly(found.seconds)}"
    basis = words.counted(found.rows, "measurement")
    if found.is_here:
        with_it = "" if found.precision == precision else f" with {found.precision}"
        return f"Takes {about}, going by {basis} made here{with_it}."
    other = words.escaped(found.device)
    if found.pace is None:
        return f"How long that takes here is not known; on {other} it would be {about}."
    return f"Takes {about}, going by {basis} on {other} and the published speeds of both."


def _pairs(
    preset: str, names: list[str], device: Device, precision: str, measures: list[str]
) -> list[tuple[str, int]]:
    """The (architecture, image size) pairs of a preset, in the order of measuring."""
    target = {"device": device.name, "kind": device.kind, "precision": precision}
    if preset == MINUTE:
        return data.minute(data.speed_signature(), **target)
    if preset == EVERYTHING:
        first = measures[0] if measures else measure_of_a_minute(device.kind)
        return data.everything(data.speed_signature(), **target, measure=first)
    if preset == SEARCH:
        return catalogue.work_list(architectures=names) if names else []
    if preset == QUICK:
        return catalogue.work_list(preset="quick")
    return data.best_of_each_family(data.speed_signature(), data.accuracy_signature())
