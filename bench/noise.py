"""The A/A test: how much two measurements of the same thing differ on this CPU.

Two identical networks are timed in turn, a short window each, as two models of a sweep would be.
Every window's median says the same thing, so their differences are noise. The figure is the 95th
percentile of the relative difference between any two windows. It is stored with the run
(`environment.details.noise`), and the rule is: a difference between two rows of the run that is
smaller than this ranks nothing.
"""

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from bench import statistics
from bench.timing import Clock, Step
from bench.workloads import Inference

WINDOWS = 12
WINDOW_S = 0.25
FEWEST_STEPS = 5
# On a host so busy that a window takes much longer, fewer windows are enough to say so.
FEWEST_WINDOWS = 6
LONGEST_S = 6.0


def noise_of(medians_s: Sequence[float]) -> float:
    """95th percentile of the relative difference between any two windows' medians.

    Raises ValueError for fewer than two.
    """
    if len(medians_s) < 2:
        raise ValueError(f"noise needs at least two windows, got {len(medians_s)}")
    differences = [max(a, b) / min(a, b) - 1 for a, b in itertools.combinations(medians_s, 2)]
    return float(np.percentile(differences, 95))


def measure_noise(clock: Clock, make: Callable[[], Step] | None = None) -> float:
    """Time two identical networks in turn; about 3.5 s, at least half as many windows after 6 s.

    Both run for a window first: what is slow only because it is the first is no noise.

    Args:
        clock: times the steps.
        make: builds one of the two; None: a small convolutional network.
    """
    pair = [(make or _network)() for _ in range(2)]
    for step in pair:
        warming_s = 0.0
        while warming_s < WINDOW_S:
            warming_s += clock.latency(step)
    medians_s: list[float] = []
    elapsed_s = 0.0
    while len(medians_s) < (WINDOWS if elapsed_s < LONGEST_S else FEWEST_WINDOWS):
        step = pair[len(medians_s) % 2]
        samples: list[float] = []
        while sum(samples) < WINDOW_S or len(samples) < FEWEST_STEPS:
            samples.append(clock.latency(step))
        medians_s.append(statistics.median_interval(samples)[0])
        elapsed_s += sum(samples)
    return noise_of(medians_s)


def _network() -> Step:
    """Convolutions as a small classifier has them, some milliseconds on two cores."""
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Conv2d(3, 64, 4, stride=4), nn.ReLU()]
    for _ in range(4):
        layers += [nn.Conv2d(64, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU()]
    inference = Inference(nn.Sequential(*layers).eval(), torch.randn(1, 3, 224, 224))

    def step(mark: Callable[[], None]) -> None:
        with torch.inference_mode():
            inference.step(mark)

    return step
