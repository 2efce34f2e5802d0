"""What is known of a device's speeds before it is measured: the mathematics behind `estimate`.

All in the logarithm of seconds per image, where devices differ mostly by a constant. What is
believed of a results set that was never measured, model by model, is

    expectation + design @ weights + own,    weights ~ N(0, covariance),  own ~ N(0, variance)

- expectation: the model's time in the sets that are known, those in like circumstances (measure,
  compilation, layout, precision, software) counting most: kriging over sets, per model, so that
  models which some sets lack still count;
- design: a constant for the device, the expectation itself (small models profit less from a
  faster device), and features of the model, its size, operations and family, as the components of
  a kernel;
- covariance: how devices were seen to deviate. Every known set is foretold from the sets of other
  devices; what that leaves is regressed on the same features, and the weights found are what such
  deviations look like;
- variance: what the features do not explain of a model, so that an odd one is neither trusted as a
  probe nor foretold with much certainty.

A few measurements make of it a posterior: see `bench.belief`.

Source: kriging and Gaussian processes as in Rasmussen and Williams, Gaussian Processes for Machine
Learning (2006), chapters 2 and 8.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import linalg
from sklearn.decomposition import KernelPCA
from sklearn.metrics import euclidean_distances
from sklearn.preprocessing import StandardScaler

from bench.belief import Belief, Matrix, Vector

COMPONENTS = 150
# A set with fewer models than this says nothing of how devices deviate.
FEWEST_MODELS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """How alike results sets and models are taken to be.

    Chosen by a random search for the smallest error on the published GPU sets, each foretold
    without any set of its GPU (`python -m bench estimate --evaluate`); variances of log seconds.
    """

    # Between two sets, for one model: what all share, and what sets share that agree in ...
    shared: float = 0.9
    same_work: float = 0.5
    same_compilation: float = 0.5
    same_layout: float = 0.1
    same_compilation_and_layout: float = 0.21
    same_device: float = 0.1
    same_device_compilation_and_layout: float = 0.1
    near_software: float = 0.72
    same_precision: float = 0.014
    set_own: float = 0.02
    # Between two models, for one device's deviation.
    linear: float = 0.0012
    smooth: float = 0.003
    smooth_length: float = 1.6
    family: float = 0.005
    family_smooth: float = 0.0018
    family_length: float = 0.76
    slope: float = 0.033
    # From deviations seen to deviations expected.
    regression_noise: float = 0.017
    largest_deviation: float = 0.5
    weight_other_compilation: float = 0.3
    weight_other_layout: float = 0.23
    weight_other_work: float = 0.01
    seen: float = 0.78
    unseen: float = 0.18
    least_variance: float = 0.0005
    own: float = 0.36
    # How many measurements the scale seen so far is worth.
    scale_weight: float = 8.0


ASSUMED = Assumptions()


def belief(
    log_s: pd.DataFrame,
    sets: pd.DataFrame,
    target: pd.Series,
    features: pd.DataFrame,
    *,
    assumed: Assumptions = ASSUMED,
) -> Belief:
    """What the known sets say of one that is not measured yet.

    Args:
        log_s: log seconds per image of models, rows indexed (architecture, image_size), in the
            known sets, columns; NaN where not measured.
        sets: the circumstances of each column of log_s: device, device_kind, measure, precision,
            layout, compiled, torch; one row a column, in their order.
        target: the same of the set that is asked for.
        features: per row of log_s: parameters, multiply_adds, activations, and family. Models
            where one is missing, or which no known set has, are left out.
        assumed: for those who want to assume something else.
    """
    known = log_s.to_numpy(dtype=float)
    alike = _similarity(pd.concat([sets, target.to_frame().T], ignore_index=True), assumed)
    everywhere = list(range(known.shape[1]))
    expectation = _kriged(known, alike, everywhere, known.shape[1])
    usable = np.isfinite(expectation) & features.notna().all(axis=1).to_numpy()
    expectation = expectation[usable] - expectation[usable].mean()
    design = np.column_stack(
        [
            np.full(usable.sum(), 2.0),
            assumed.slope * expectation,
            _kernel_features(log_s.index[usable], features[usable], assumed),
        ]
    )
    covariance, variance = _deviations(
        known, usable, design, sets=sets, target=target, alike=alike, assumed=assumed
    )
    return Belief(
        models=log_s.index[usable],
        expectation=expectation,
        design=design,
        covariance=covariance,
        variance=variance,
        scale_weight=assumed.scale_weight,
    )


def _similarity(sets: pd.DataFrame, assumed: Assumptions) -> Matrix:
    """Covariance between sets of one model's log seconds, shape (sets, sets)."""

    def same(*columns: str) -> Matrix:
        values = [tuple(row) for row in sets[list(columns)].itertuples(index=False)]
        return np.array([[float(one == other) for other in values] for one in values])

    work = same("measure", "device_kind")
    compilation, layout, device = same("compiled"), same("layout"), same("device")
    alike = work * compilation * layout
    age = np.array([_release(version) for version in sets["torch"]])
    near = np.nan_to_num(np.exp(-np.log1p(np.abs(age[:, None] - age[None]))))
    covariance: Matrix = (
        assumed.shared
        + assumed.same_work * work
        + assumed.same_compilation * work * compilation
        + assumed.same_layout * work * layout
        + assumed.same_compilation_and_layout * alike
        + assumed.same_device * device
        + assumed.same_device_compilation_and_layout * device * alike
        + assumed.near_software * near * alike
        + assumed.same_precision * same("precision") * alike
        + assumed.set_own * np.eye(len(sets))
    )
    return covariance


def _release(version: str | None) -> float:
    """PyTorch 2.9.1 -> 209: a release of the second place counts one, of the first a hundred."""
    major, _, rest = str(version).partition(".")
    minor = rest.partition(".")[0]
    return 100.0 * int(major) + int(minor) if major.isdigit() and minor.isdigit() else np.nan


def _kriged(known: Matrix, alike: Matrix, columns: list[int], target: int) -> Vector:
    """Each model's log seconds in a set, expected from those of other sets; up to a constant.

    Sets that lack a model are left out for that model alone; NaN where all do.
    """
    values = known[:, columns]
    present = np.isfinite(values)
    there = [np.flatnonzero(column) for column in present.T]
    level = np.zeros(len(columns))
    mean = _mean(values)
    for _ in range(8):  # a constant per set and a mean per model, by turns
        level = np.array(
            [
                np.median(column[rows] - mean[rows])
                for column, rows in zip(values.T, there, strict=True)
            ]
        )
        mean = _mean(values - level)
    centred = values - level - mean[:, None]
    expected = np.full(len(values), np.nan)
    for pattern, rows in _patterns(present):
        if pattern.any():
            sets = np.asarray(columns)[pattern]
            weights = np.linalg.solve(alike[np.ix_(sets, sets)], alike[target, sets])
            expected[rows] = mean[rows] + centred[np.ix_(rows, pattern)] @ weights
    return expected


def _mean(values: Matrix) -> Vector:
    present = np.isfinite(values)
    count = present.sum(axis=1)
    total = np.where(present, values, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _patterns(present: NDArray[np.bool_]) -> list[tuple[NDArray[np.bool_], NDArray[np.intp]]]:
    """The different rows of a matrix, each with the positions where it stands."""
    names = [row.tobytes() for row in np.packbits(present, axis=1)]
    which, different = pd.factorize(np.array(names, dtype=object))
    rows = [np.flatnonzero(which == number) for number in range(len(different))]
    return [(present[each[0]], each) for each in rows]


def _kernel_features(models: pd.Index, features: pd.DataFrame, assumed: Assumptions) -> Matrix:
    """Features whose inner products are the kernel between models, shape (models, components)."""
    size = np.log(features[["parameters", "multiply_adds", "activations"]].to_numpy(dtype=float))
    pixels = np.log(models.get_level_values("image_size").to_numpy(dtype=float))
    parameters, multiply_adds, activations = size.T
    numbers = StandardScaler().fit_transform(
        np.column_stack([size, pixels, multiply_adds - activations, multiply_adds - parameters])
    )
    families = features["family"].to_numpy(dtype=object)
    distance = euclidean_distances(numbers, squared=True)
    same_family = families[:, None] == families[None]
    kernel = (
        assumed.linear * numbers @ numbers.T / numbers.shape[1]
        + assumed.smooth * np.exp(-distance / 2 / assumed.smooth_length**2)
        + assumed.family * same_family
        + assumed.family_smooth * same_family * np.exp(-distance / 2 / assumed.family_length**2)
    )
    components = KernelPCA(
        min(COMPONENTS, len(kernel) - 1),
        kernel="precomputed",
        eigen_solver="randomized",
        random_state=0,
    )
    mapped: Matrix = components.fit_transform(kernel)
    return mapped


def _deviations(
    known: Matrix,
    usable: NDArray[np.bool_],
    design: Matrix,
    *,
    sets: pd.DataFrame,
    target: pd.Series,
    alike: Matrix,
    assumed: Assumptions,
) -> tuple[Matrix, Vector]:
    """Covariance of the weights and each model's own variance, from how known sets deviate.

    Each known set is foretold from the sets of other devices; where there are none, it tells
    nothing. Sets in circumstances unlike the target's count less.
    """
    weights_seen = np.zeros((design.shape[1], design.shape[1]))
    own = np.zeros(len(design))
    seen = np.zeros(len(design))
    total = 0.0
    devices = sets["device"].tolist()
    for one, device in enumerate(devices):
        others = [i for i, other in enumerate(devices) if other != device]
        if not others:
            continue
        deviation = (known[:, one] - _kriged(known, alike, others, one))[usable]
        present = np.isfinite(deviation)
        if present.sum() < FEWEST_MODELS:
            continue
        deviation = deviation[present] - np.median(deviation[present])
        deviation = deviation.clip(-assumed.largest_deviation, assumed.largest_deviation)
        weights = _ridge(design[present], deviation, assumed.regression_noise)
        left = deviation - design[present] @ weights
        weights[0] = 0.0  # the device's constant is known of nobody
        importance = _importance(sets.iloc[one], target, assumed)
        weights_seen += importance * np.outer(weights, weights)
        own[present] += importance * left**2
        seen[present] += importance
        total += importance
    covariance = assumed.unseen * np.eye(len(weights_seen))
    if total:
        covariance += assumed.seen * weights_seen / total
    covariance[0, :] = covariance[:, 0] = 0.0
    covariance[0, 0] = 1.0
    typical = own.sum() / seen.sum() if total else 0.0
    variance = np.where(seen > 0, own / np.maximum(seen, 1e-9), typical)
    return covariance, assumed.least_variance + assumed.own * variance


def _ridge(design: Matrix, values: Vector, noise: float) -> Vector:
    """Ridge regression without an intercept, in a fraction of the time of scikit-learn's."""
    precision = design.T @ design + noise * np.eye(design.shape[1])
    weights: Vector = linalg.cho_solve(linalg.cho_factor(precision), design.T @ values)
    return weights


def _importance(known: pd.Series, target: pd.Series, assumed: Assumptions) -> float:
    """How much a set's deviations say of the target's, at most 1."""
    importance = 1.0
    if known["compiled"] != target["compiled"]:
        importance *= assumed.weight_other_compilation
    if known["layout"] != target["layout"]:
        importance *= assumed.weight_other_layout
    if (known["measure"], known["device_kind"]) != (target["measure"], target["device_kind"]):
        importance *= assumed.weight_other_work
    return importance
