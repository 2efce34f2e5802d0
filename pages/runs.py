"""Benchmark runs on this machine: how each stands, what came out, and what can be done with it."""

import streamlit as st

from bench import runs
from bench.errors import BenchError
from bench.permission import why_not
from bench.run_status import Status
from pages.ui import data, run_panel, who, words
from pages.ui.entrance import through_app

through_app()

STATES = {
    "queued": ("gray", "queued"),
    "starting": ("blue", "starting"),
    "running": ("blue", "running"),
    "done": ("green", "done"),
    "partial": ("orange", "partial"),
    "failed": ("red", "failed"),
    "cancelled": ("gray", "cancelled"),
    "crashed": ("red", "crashed"),
}
RESUMABLE = ("partial", "failed", "cancelled", "crashed")
LOG_LINES = 40
SHOWN_AT_FIRST = 20


def card(now: Status) -> None:
    """One run."""
    colour, word = STATES[now.state]
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        st.markdown(f"**{words.escaped(now.title)}**", width="content")
        st.badge(word, color=colour)  # type: ignore[arg-type]
    facts = [now.device_name or now.device, now.run]
    if now.started_at is not None and now.ended_at is not None:
        facts.append(f"took {words.time((now.ended_at - now.started_at).total_seconds())}")
    if now.who:
        facts.append(f"started by {now.who}")
    st.caption(words.escaped(" · ".join(facts)))
    if now.alive:
        run_panel.progress(now)
    else:
        st.write(f"{now.done:,} of {words.counted(now.total, 'measurement')} made.")
    if now.failures:
        st.caption(run_panel.failures(now))
    if now.flags:
        flags = ", ".join(f"{n} {flag.replace('_', ' ')}" for flag, n in now.flags.items())
        st.caption(words.escaped(f"Flagged: {flags}"))
    if now.error:
        st.error(words.escaped(now.error[0].upper() + now.error[1:]), icon=":material/error:")
    for note in now.notes:
        st.warning(words.escaped(note), icon=":material/dns:")
    if now.damaged:
        st.warning(
            f"{words.counted(now.damaged, 'line')} of its journal could not be read and "
            "was left out.",
            icon=":material/warning:",
        )
    actions(now)
    with st.expander("Log", icon=":material/notes:"):
        lines = runs.log_tail(now.run, data.folder(), LOG_LINES)
        st.code("\n".join(lines) or "Nothing was printed.", language=None)


def actions(now: Status) -> None:
    """What can be done with a run as it stands."""
    reason = why_not(who.asker())
    with st.container(horizontal=True, vertical_alignment="center"):
        if now.alive:
            run_panel.cancel(now, place="page")
        if now.done - sum(now.failures.values()):
            st.page_link(
                "pages/models.py",
                label="Show on the chart",
                icon=":material/scatter_plot:",
                query_params={"set": now.run},
            )
        if (
            now.state in RESUMABLE
            and now.done < now.total
            and st.button(
                "Resume",
                key=f"resume-{now.run}",
                icon=":material/resume:",
                disabled=reason is not None,
                help=words.escaped(reason or "")
                or "Measures exactly what is missing; waits in line where the device is busy.",
            )
        ):
            try:
                runs.resume(now.run, data.folder(), by=who.asker(), queue=True)
            except BenchError as error:
                st.error(words.escaped(str(error)), icon=":material/error:")
            else:
                st.rerun()
        if now.published:
            st.download_button(
                "Parquet",
                # A function: read at the click, not at every rerun.
                data=(data.folder() / "runs" / now.run / "results.parquet").read_bytes,
                file_name=f"{now.run}.parquet",
                key=f"download-{now.run}",
                icon=":material/download:",
            )


def board() -> None:
    """Every run, newest first."""
    every = runs.list_runs(data.folder())
    if not every:
        st.info(
            "Nothing has been measured here yet. **Run benchmark** in the sidebar starts a run; "
            "so does `python -m bench run resnet50`.",
            icon=":material/inbox:",
        )
        return
    shown = every if st.session_state.get("all_runs") else every[:SHOWN_AT_FIRST]
    for now in shown:
        with st.container(border=True, key=f"run-{now.run}"):
            card(now)
    if len(shown) < len(every):
        st.button(
            f"Show all {len(every):,} runs",
            on_click=lambda: st.session_state.update(all_runs=True),
        )


st.header("Benchmark runs", anchor=False)
living = any(status.alive for status in runs.list_runs(data.folder()))
st.fragment(board, run_every=1.0 if living else None)()
