"""benchmarks/dashboard: its arithmetic, its messages, its invented models, and a short run."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from harness import REPOSITORY
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from bench import points, store
from benchmarks.dashboard import figures, messages, synthetic
from benchmarks.dashboard.memory import Growth


def test_a_percentile_is_a_sample_by_the_nearest_rank() -> None:
    samples = [float(n) for n in range(20, 0, -1)]
    assert figures.percentile(samples, 50) == 10
    assert figures.percentile(samples, 95) == 19
    assert figures.percentile([3.0], 95) == 3
    with pytest.raises(ValueError, match="at least one"):
        figures.percentile([], 95)


def test_a_slope_and_its_error_are_worked_by_hand() -> None:
    # y = 2 x + 1 with residuals 1, -2, 1: their squares sum to 6, x deviates by 2.
    assert figures.slope([0, 1, 2], [2, 1, 6]) == pytest.approx((2.0, (6 / 1 / 2) ** 0.5))
    with pytest.raises(ValueError, match="three points"):
        figures.slope([0, 1], [0, 1])


def test_a_ratio_is_of_medians_and_tells_what_each_round_gave() -> None:
    row = figures.ratio("ours / theirs", [1.0, 2.0, 6.0], [1.0, 4.0, 2.0], 1.7)
    assert row.value == 1.0
    assert row.spread == "0.50 to 3.00 by round"
    assert row.verdict == "met"


def test_the_table_says_what_is_missed_and_by_how_much() -> None:
    rows = [
        figures.timed("filter to repaint", [0.2, 0.6, 0.5], 400.0),
        figures.Row("rerun, p95", 400.0, "ms", target=500.0),
        figures.Row("memory", 12.345, "MiB"),
    ]
    head, rule, missed, met, plain = figures.table(rows).splitlines()
    assert len({len(line) for line in (head, rule, missed, met, plain)}) == 1
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in (missed, met, plain)]
    assert cells == [
        ["filter to repaint", "500 ms", "200 to 600, 3 times", "400 ms", "missed by 25%"],
        ["rerun, p95", "400 ms", "", "500 ms", "met"],
        ["memory", "12.3 MiB", "", "", ""],
    ]


def test_growth_is_judged_after_the_server_has_settled() -> None:
    reruns = list(range(25, 1001, 25))
    resident = [n * 1000 if n < 400 else 400_000 + (n - 400) for n in reruns]
    growth = Growth(reruns, resident)
    slope, error = growth.bytes_per_rerun
    assert slope == pytest.approx(1.0)
    assert error == pytest.approx(0.0, abs=1e-9)
    assert growth.share == pytest.approx(575 / 400_025)


def delta(kind: str, **fields: object) -> bytes:
    message = ForwardMsg(hash=f"hash of {fields}")
    message.metadata.cacheable = True
    inner = getattr(message.delta.new_element, kind)
    for name, value in fields.items():
        if isinstance(value, list):
            getattr(inner, name).extend(value)
        else:
            setattr(inner, name, value)
    return message.SerializeToString()


def selectbox(key: str, **fields: object) -> bytes:
    options = ["RTX 4090", "RTX 5090"]
    return delta(
        "selectbox", id=f"$$ID-01-{key}", options=options, default=0, query_param_key=key, **fields
    )


def asked_by(rerun: bytes) -> ClientState:
    message = BackMsg()
    message.ParseFromString(rerun)
    return message.rerun_script


def test_a_rerun_says_what_a_browser_says() -> None:
    one = messages.Conversation("http://127.0.0.1:1")
    assert not one.hear(selectbox("set"))
    assert not one.hear(selectbox("beside"))
    assert not one.hear(delta("number_input", id="$$ID-02-max_ms", query_param_key="max_ms"))
    assert not one.hear(delta("multiselect", id="$$ID-03-more", options=["a", "b"], default=[1]))
    assert one.controls["set"].options == ["RTX 4090", "RTX 5090"]
    run = asked_by(one.rerun({"set": "RTX 5090", "max_ms": 0.5}))
    assert run.query_string == "set=RTX+5090&max_ms=0.5", "what is at its default is not in it"
    assert [str(w).split() for w in run.widget_states.widgets] == [
        ["id:", '"$$ID-01-set"', "string_value:", '"RTX', '5090"'],
        ["id:", '"$$ID-01-beside"', "string_value:", '"RTX', '4090"'],
        ["id:", '"$$ID-02-max_ms"', "double_value:", "0.5"],
        ["id:", '"$$ID-03-more"', "string_array_value", "{", "data:", '"b"', "}"],
    ]
    with pytest.raises(KeyError):
        one.rerun({"unseen": True})


def test_a_control_keeps_its_value_until_the_server_sets_it_or_it_goes() -> None:
    one = messages.Conversation("http://127.0.0.1:1")
    one.hear(selectbox("set"))
    one.rerun({"set": "RTX 5090"})
    one.hear(selectbox("set"))
    assert one.controls["set"].value == "RTX 5090"
    one.rerun({})
    one.hear(selectbox("set", set_value=True, raw_value="RTX 4090"))
    assert one.controls["set"].value == "RTX 4090"
    one.rerun({})
    assert not one.controls, "the last run did not show it"


def test_a_browser_forgets_the_messages_of_the_run_before_the_last() -> None:
    one = messages.Conversation("http://127.0.0.1:1")
    one.hear(delta("markdown", body="old"))
    one.rerun({})
    one.hear(delta("markdown", body="new"))
    one.rerun({})
    run = asked_by(one.rerun({}))
    assert list(run.cached_message_hashes) == ["hash of {'body': 'new'}"]


def test_a_menu_that_comes_by_its_hash_alone_is_still_a_control() -> None:
    conversation = messages.Conversation("http://example.org/")
    conversation.rerun({})
    sent = selectbox("set")
    conversation.hear(sent)
    conversation.rerun({})
    assert "set" not in conversation.controls
    conversation.hear(ForwardMsg(ref_hash=ForwardMsg.FromString(sent).hash).SerializeToString())
    assert "set" in conversation.controls


def test_a_run_ends_with_its_script_and_an_error_on_the_page_is_a_failure() -> None:
    one = messages.Conversation("http://127.0.0.1:1")
    early = ForwardMsg(script_finished=ForwardMsg.FINISHED_EARLY_FOR_RERUN)
    assert not one.hear(early.SerializeToString())
    assert not one.hear(delta("markdown", body="**12** models"))
    assert one.texts == ["**12** models"]
    end = ForwardMsg(script_finished=ForwardMsg.FINISHED_SUCCESSFULLY)
    assert one.hear(end.SerializeToString())
    broken = ForwardMsg()
    broken.delta.new_element.exception.message = "no such column"
    with pytest.raises(messages.SessionFailed, match="no such column"):
        one.hear(broken.SerializeToString())


def test_invented_models_are_as_many_as_asked_and_say_that_they_are_invented(
    tmp_path: Path,
) -> None:
    run = synthetic.make(tmp_path, 500)
    written = {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*.parquet")}
    assert written == {"published/accuracy.parquet", f"measured/{run}.parquet"}
    speed = store.to_frame(store.read(tmp_path / "measured" / f"{run}.parquet", store.SPEED_SCHEMA))
    accuracy = store.to_frame(
        store.read(tmp_path / "published" / "accuracy.parquet", store.ACCURACY_SCHEMA)
    )
    assert set(speed["source"]) == {"synthetic"}
    assert all(list(flags) == ["synthetic"] for flags in speed["flags"])
    joined = points.points(speed, accuracy, run=run, measure="throughput")
    assert len(points.most_accurate_weights(joined)) == 500
    assert joined["family"].nunique() > 50
    again = synthetic.make(tmp_path / "again", 500)
    assert speed.equals(
        store.to_frame(
            store.read(tmp_path / "again" / "measured" / f"{again}.parquet", store.SPEED_SCHEMA)
        )
    )


def run_script(*arguments: str) -> dict[str, list[str]]:
    """Run it as people do; goal -> the other cells of its line."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.dashboard", *arguments],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            printed, said = process.communicate(timeout=260)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)  # so that it stops its servers
            raise
    assert process.returncode == 0, said
    assert "failed" not in said
    assert "load average" in printed
    lines = [line.split("|")[1:-1] for line in printed.splitlines() if line.startswith("| ")]
    return {goal.strip(): [cell.strip() for cell in cells] for goal, *cells in lines[1:]}


@pytest.mark.long
def test_the_page_is_timed_in_a_browser_beside_a_blank_one_and_plotlys() -> None:
    rows = run_script("page", "--repeats", "1")
    assert [cells[2] for goal, cells in rows.items() if " / " not in goal and cells[2]] == [
        "400 ms",
        "50 ms",
        "50 ms",
        "500 ms",
    ]
    assert rows["ours / blank"][2] == "1.70 x"
    assert "ours / Plotly" in rows
    assert all(cells[3] for cells in rows.values() if cells[2]), "each target has its verdict"


@pytest.mark.long
@pytest.mark.parametrize(("replicas", "goal"), [("1", "500 ms"), ("2", "1,000 ms")])
def test_sessions_are_held_and_timed_on_one_server_and_on_two(replicas: str, goal: str) -> None:
    brief = ("--sessions", "12", "--think", "0.2", "--duration", "3")
    rows = run_script("sessions", "--replicas", replicas, *brief)
    what = "12 sessions, think time 0.2 s"
    assert rows[f"{what}: held to the end"][0] == "12"
    assert rows[f"{what}: rerun, p95"][0].endswith(" ms")
    assert rows[f"{what}: rerun, p95"][2] == goal
    assert rows[f"{what}: memory a session"][0].endswith(" MiB")
