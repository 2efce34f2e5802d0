"""Who measures what on a cluster: one list of models, any number of stations that draw from it.

A station is one device (`bench.station`). What it was measuring when it was lost goes back on the
list once; the second time the model is to blame and gets its row. The first station that is ready
says what device and software the run is about; one that differs is turned away, for its figures
belong to another results set. Nothing here knows Ray.
"""

import dataclasses
import statistics as plain
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any

from bench import answers, statistics
from bench.records import Environment, Measurement, Workload, utc_now
from bench.sweep import noise


class TurnedAway(Exception):
    """This station is of no use to the run; the sentence says why."""


@dataclasses.dataclass(eq=False)
class Station:
    """What the supervisor knows of one: in_hand is what it was given and has not answered yet."""

    name: str
    in_hand: list[Workload] = dataclasses.field(default_factory=list)
    environment: Environment | None = None


class Dispatch:
    """The list, and what is written down of the stations that work on it."""

    def __init__(
        self,
        workloads: Sequence[Workload],
        *,
        record: Callable[..., None],
        expected: Environment | None,
    ) -> None:
        """Make the list.

        Args:
            workloads: what to measure; those of one model that stand together stay together.
            record: takes an event's name and its values, see bench.journal.
            expected: where the run's rows so far were measured.
        """
        self.expected = expected
        self.rows = 0
        self._record = record
        self._work = deque(
            list(group)
            for _, group in groupby(workloads, key=lambda w: (w.architecture, w.image_size))
        )
        self._out: set[Station] = set()
        self._given_back: Counter[Workload] = Counter()
        # The sentinel's median on each station that measured it, in seconds.
        self._sentinels_s: dict[str, float] = {}

    @property
    def is_done(self) -> bool:
        """Whether every workload has its row."""
        return not self._work and not self._out

    def hand_over(self, station: Station) -> list[Workload]:
        """The next model for a station that has nothing to do; empty where there is none."""
        if self._work:
            station.in_hand = self._work.popleft()
            self._out.add(station)
        return list(station.in_hand)

    def hear(self, station: Station, event: str, values: Mapping[str, Any]) -> None:
        """Write down what a station tells. Raises TurnedAway when it belongs to another set."""
        values = dict(values)
        if event == "ready":
            self._welcome(station, Environment.from_json(values["environment"]))
        if event == "measurement":
            row = Measurement.from_json(values["measurement"])
            # One that was taken for lost may still answer: the row is another's by now.
            if row.workload not in station.in_hand:
                return
            station.in_hand.remove(row.workload)
            values["measurement"]["details"]["station"] = station.name
            self.rows += 1
            if not station.in_hand:
                self._out.discard(station)
        self._record(event, **values, station=station.name)
        if event == "sentinel":
            self._compare(station, Measurement.from_json(values["measurement"]))

    def lose(self, station: Station, reason: str) -> None:
        """A station is gone: what it had in hand goes back, once."""
        back, station.in_hand = station.in_hand, []
        self._out.discard(station)
        if back:
            self._given_back[back[0]] += 1
            if self._given_back[back[0]] > 1:
                self._give_up(back.pop(0), reason)
        if back:
            self._work.appendleft(back)
        self._record(
            "station_lost",
            station=station.name,
            reason=reason,
            given_back=[workload.to_json() for workload in back],
        )

    def _welcome(self, station: Station, environment: Environment) -> None:
        if self.expected is None:
            self.expected = environment
        changed = answers.what_changed(self.expected, environment)
        if changed is not None:
            raise TurnedAway(
                f"turned away, for its figures belong to another results set: {changed}"
            )
        station.environment = environment

    def _give_up(self, workload: Workload, reason: str) -> None:
        row = Measurement(
            workload=workload,
            outcome="crashed",
            message=f"twice the station was lost that measured it: {reason}",
            measured_at=utc_now(),
            batch_size=workload.batch_size,
        )
        self.rows += 1
        self._record("measurement", measurement=row.to_json(), duration_s=0.0)

    def _compare(self, station: Station, row: Measurement) -> None:
        """The first sentinel of a station against those of all others."""
        if row.outcome != "ok" or station.name in self._sentinels_s:
            return
        median_s = statistics.median_interval(row.samples_s)[0]
        others_s = list(self._sentinels_s.values())
        self._sentinels_s[station.name] = median_s
        assert self.expected is not None
        assert station.environment is not None
        tolerance = max(noise(self.expected), noise(station.environment))
        if others_s and statistics.drifted(plain.median(others_s), median_s, tolerance):
            self._record(
                "disagreement",
                station=station.name,
                architecture=row.workload.architecture,
                slower=median_s / plain.median(others_s),
                noise=tolerance,
            )
