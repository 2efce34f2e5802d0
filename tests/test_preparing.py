"""The next model is built beside the measurement, and nothing of that is lost or hidden."""

import sys

import pytest

from bench.preparing import Preparer
from bench.records import Workload
from bench.workloads import Unsupported


def workload(name: str, measure: str = "latency") -> Workload:
    return Workload(architecture=name, image_size=160, measure=measure)


def test_what_was_prepared_is_what_is_taken() -> None:
    preparer = Preparer()
    preparer.start(workload("test_vit"))
    thread = preparer._thread
    assert thread is not None
    thread.join()
    prepared = preparer._model
    assert prepared is not None
    assert preparer.take(workload("test_vit", "training")) is prepared


def test_another_model_than_the_prepared_one_is_built() -> None:
    preparer = Preparer()
    preparer.start(workload("test_vit"))
    assert preparer.take(workload("test_resnet")).architecture == "test_resnet"
    assert preparer.take(workload("test_vit")).architecture == "test_vit"


def test_what_could_not_be_prepared_raises_where_it_is_awaited() -> None:
    preparer = Preparer()
    preparer.start(workload("no_such_model"))
    with pytest.raises(Unsupported, match="lists no model"):
        preparer.take(workload("no_such_model"))


def test_python_switches_threads_as_usual_once_the_model_is_taken() -> None:
    usual_s = sys.getswitchinterval()
    preparer = Preparer()
    preparer.start(workload("test_vit"))
    assert sys.getswitchinterval() < usual_s
    preparer.take(workload("test_vit"))
    assert sys.getswitchinterval() == pytest.approx(usual_s)
