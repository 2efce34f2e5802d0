"""Who measures what on a cluster, without one."""

import dataclasses

import pytest

from bench import journal
from bench.executors import ray_sweep
from bench.executors.dispatch import Dispatch, Station, TurnedAway
from bench.records import Environment, Measurement, Workload, dumps, utc_now

HERE = Environment(device="GPU", device_kind="cuda", torch="2", driver="1")


def workload(name, measure="latency"):
    return Workload(architecture=name, image_size=160, measure=measure)


def row(asked, *, step_s=0.01):
    return Measurement(
        workload=asked, outcome="ok", measured_at=utc_now(), samples_s=(step_s,) * 3, batch_size=1
    )


class Run:
    """A dispatch that keeps its events."""

    def __init__(self, *asked, expected=None):
        self.events = []
        self.dispatch = Dispatch(asked, record=self.record, expected=expected)

    def record(self, event, **values):
        self.events.append({"event": event, **values})

    def of(self, kind):
        return [event for event in self.events if event["event"] == kind]

    def ready(self, name, environment=HERE):
        station = Station(name)
        self.dispatch.hear(station, "ready", {"environment": environment.to_json(), "pid": 1})
        return station

    def answer(self, station, asked):
        values = {"measurement": row(asked).to_json(), "duration_s": 1.0}
        self.dispatch.hear(station, "measurement", values)

    def sentinel(self, station, step_s):
        values = {"measurement": row(workload("resnet50"), step_s=step_s).to_json()}
        self.dispatch.hear(station, "sentinel", values)


def test_a_model_goes_to_one_station_with_all_its_measures():
    run = Run(workload("a"), workload("a", "throughput"), workload("b"))
    one, other = run.ready("one"), run.ready("other")
    assert [w.measure for w in run.dispatch.hand_over(one)] == ["latency", "throughput"]
    assert run.dispatch.hand_over(other) == [workload("b")]
    assert run.dispatch.hand_over(Station("third")) == []


def test_the_list_is_done_when_every_row_is_there_and_not_when_it_is_empty():
    run = Run(workload("a"))
    one = run.ready("one")
    run.dispatch.hand_over(one)
    assert not run.dispatch.is_done
    run.answer(one, workload("a"))
    assert run.dispatch.is_done
    assert run.of("measurement")[0]["measurement"]["details"]["station"] == "one"


def test_a_lost_station_gives_back_what_it_has_not_answered():
    asked = [workload("a"), workload("a", "throughput"), workload("b")]
    run = Run(*asked)
    one, other = run.ready("one"), run.ready("other")
    run.dispatch.hand_over(one)
    run.answer(one, asked[0])
    run.dispatch.lose(one, "the machine is gone")
    assert run.dispatch.hand_over(other) == [asked[1]]
    # An answer that comes too late is no second row.
    run.answer(one, asked[1])
    run.answer(other, asked[1])
    assert len(run.of("measurement")) == 2


def test_what_loses_its_station_twice_gets_its_row_and_is_not_tried_again():
    run = Run(workload("a"), workload("b"))
    for name in ("one", "other"):
        station = run.ready(name)
        assert run.dispatch.hand_over(station) == [workload("a")]
        run.dispatch.lose(station, "the machine is gone")
    [lost] = run.of("measurement")
    assert lost["measurement"]["outcome"] == "crashed"
    assert "twice" in lost["measurement"]["message"]
    assert run.dispatch.hand_over(run.ready("third")) == [workload("b")]


@pytest.mark.parametrize(
    ("what", "value"), [("device", "another"), ("torch", "3"), ("driver", "2")]
)
def test_another_device_or_software_is_turned_away(what, value):
    run = Run(workload("a"))
    run.ready("one")
    with pytest.raises(TurnedAway, match=f"belong to another results set: {what}"):
        run.ready("other", dataclasses.replace(HERE, **{what: value}))
    assert len(run.of("ready")) == 1


def test_a_resumed_run_goes_on_only_where_it_began():
    run = Run(workload("a"), expected=HERE)
    with pytest.raises(TurnedAway):
        run.ready("one", dataclasses.replace(HERE, driver="2"))


@pytest.mark.parametrize(("step_s", "reported"), [(0.0101, 0), (0.011, 1)])
def test_two_devices_of_one_kind_that_differ_by_more_than_the_noise_are_reported(step_s, reported):
    run = Run(workload("a"))
    one, other = run.ready("one"), run.ready("other")
    run.sentinel(one, 0.01)
    run.sentinel(other, step_s)
    assert len(run.of("disagreement")) == reported


def test_what_the_noise_of_a_cpu_explains_is_not_reported():
    noisy = dataclasses.replace(HERE, details={"noise": 0.2})
    run = Run(workload("a"))
    one, other = run.ready("one", noisy), run.ready("other", noisy)
    run.sentinel(one, 0.01)
    run.sentinel(other, 0.011)
    assert run.of("disagreement") == []


def test_the_journal_keeps_what_is_to_be_said_of_the_devices():
    run = Run(workload("a"))
    one, other = run.ready("one"), run.ready("other")
    run.sentinel(one, 0.01)
    run.sentinel(other, 0.02)
    run.dispatch.hand_over(other)
    run.dispatch.lose(other, "the machine is gone")
    fold = journal.Fold()
    for event in run.events:
        line = dumps({**event, "at": utc_now().isoformat()}).encode()
        fold.take(journal.seal(line))
    assert fold.damaged == 0
    assert fold.stations == {"one"}
    assert fold.notes == [
        "other takes 2.00 times as long as the others for resnet50, and the noise is 2%",
        "other: the machine is gone",
    ]


def node(name, *, alive=True, **resources):
    return {"NodeID": name * 8, "NodeName": name, "Alive": alive, "Resources": resources}


def test_each_gpu_is_a_place_and_each_machine_one_for_its_cpus():
    nodes = [
        node("a", CPU=8.0, GPU=2.0, **{"accelerator_type:A100": 1.0}),
        node("b", CPU=4.0, GPU=1.0, **{"accelerator_type:H100": 1.0}),
        node("c", alive=False, CPU=4.0, GPU=1.0, **{"accelerator_type:A100": 1.0}),
    ]
    assert [place.node[0] for place in ray_sweep.places("cuda:A100", nodes)] == ["a", "a"]
    assert [place.node[0] for place in ray_sweep.places("cuda", nodes)] == ["a", "a", "b"]
    assert [dict(place.needs) for place in ray_sweep.places("cpu", nodes)] == [
        {"num_cpus": 8.0},
        {"num_cpus": 4.0},
    ]
    assert len({place.name for place in ray_sweep.places("cuda", nodes)}) == 3
