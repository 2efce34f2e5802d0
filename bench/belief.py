"""What is believed of a device's speeds, and what a few measurements make of that.

A few measurements make of it a posterior (Bayesian linear regression with unknown scale, so the
predictive distribution is Student's t): a device that deviates more than those before it widens its
own intervals. A measurement far from what the others say is trusted less: what models have of their
own is taken to have heavy tails, and trust is settled by turns with the regression.

Source: the conjugate scale as in Gelman et al., Bayesian Data Analysis (2013), section 14; trust as
in Lange, Little and Taylor, Robust Statistical Modeling Using the t Distribution (1989).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

# Two-sided, of the predictive distribution.
CONFIDENCE = 0.90
# How heavy the tails of what is measured are taken to be, and how often trust is settled anew.
ODD_DEGREES = 4.0
REWEIGHTINGS = 8


@dataclass(frozen=True, slots=True)
class Belief:
    """What is believed of a results set before it is measured; the sum in bench.foretelling.

    expectation, variance: shape (models,); design: (models, weights); covariance: square.
    Log seconds, up to a constant.
    """

    models: pd.Index
    expectation: Vector
    design: Matrix
    covariance: Matrix
    variance: Vector
    scale_weight: float

    def choose(self, candidates: NDArray[np.bool_], count: int) -> list[int]:
        """Which models to measure: each next one tells most of all the others, on average.

        Greedy: the model that lowers the average variance most, given those chosen before.

        Args:
            candidates: shape (models,): which may be chosen.
            count: of how many to choose; fewer where there are fewer candidates.

        Returns:
            positions in models, the most telling first.
        """
        allowed = np.flatnonzero(candidates)
        design, own = self.design[allowed], self.variance[allowed]
        everything = self.design.T @ self.design / len(self.design)
        covariance = self.covariance.copy()
        chosen: list[int] = []
        free = np.ones(len(allowed), dtype=bool)
        for _ in range(min(count, len(allowed))):
            shared = design @ covariance
            variance = (shared * design).sum(axis=1) + own
            gain = ((shared @ everything) * shared).sum(axis=1) / variance
            best = int(np.argmax(np.where(free, gain, -np.inf)))
            free[best] = False
            chosen.append(int(allowed[best]))
            covariance -= np.outer(shared[best], shared[best]) / variance[best]
        return chosen

    def uncertainty(self, measured: Sequence[int]) -> Vector:
        """Standard deviation of each model's log seconds once those were measured."""
        shared = np.einsum("ij,jk,ik->i", self.design, self._posterior(measured), self.design)
        deviation: Vector = np.sqrt(shared + self.variance)
        return deviation

    def given(self, measured: Sequence[int], log_s: Vector) -> tuple[Vector, Vector]:
        """Every model's log seconds and the half-width of its 90 % interval.

        Args:
            measured: positions in models.
            log_s: what was measured there.

        Returns:
            two vectors of shape (models,).
        """
        rows = np.asarray(measured)
        level = float(np.median(log_s - self.expectation[rows]))
        left = log_s - self.expectation[rows] - level
        weights, covariance, scale = self._fit(rows, left, np.ones(len(rows)))
        # The interval is that of all measurements alike: trust moves the estimate alone.
        settled = scale
        for _ in range(REWEIGHTINGS):
            odd = (left - self.design[rows] @ weights) ** 2 / (self.variance[rows] * settled)
            trust = (ODD_DEGREES + 1) / (ODD_DEGREES + odd)
            weights, _, settled = self._fit(rows, left, trust)
        variance = np.einsum("ij,jk,ik->i", self.design, covariance, self.design) + self.variance
        quantile = stats.t.ppf(0.5 + CONFIDENCE / 2, self.scale_weight + len(rows))
        mean = self.expectation + level + self.design @ weights
        return mean, quantile * np.sqrt(scale * variance)

    def _fit(
        self, rows: NDArray[np.intp], left: Vector, trust: Vector
    ) -> tuple[Vector, Matrix, float]:
        """The weights, their covariance and the scale of both.

        Args:
            rows: positions of the models measured.
            left: what they deviate from what was expected.
            trust: in each of them.
        """
        covariance = self._posterior(rows, trust)
        certain = left * trust / self.variance[rows]
        seen = self.design[rows].T @ certain
        weights = covariance @ seen
        squares = float(left @ certain - seen @ weights)
        return weights, covariance, (self.scale_weight + squares) / (self.scale_weight + len(rows))

    def _posterior(
        self, measured: Sequence[int] | NDArray[np.intp], trust: Vector | None = None
    ) -> Matrix:
        """Covariance of the weights once those were measured, each with so much trust."""
        rows = np.asarray(measured, dtype=int)
        design = self.design[rows]
        certainty = (1.0 if trust is None else trust) / self.variance[rows]
        precision = np.linalg.inv(self.covariance) + design.T @ (design * certainty[:, None])
        inverse: Matrix = np.linalg.inv(precision)
        return inverse
