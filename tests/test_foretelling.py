"""The mathematics of estimates, against independent references and on made data."""

import numpy as np
import pandas as pd
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import DotProduct

from bench import foretelling
from bench.belief import Belief
from bench.foretelling import ASSUMED

RANDOM = np.random.default_rng(20261123)


def made_belief(models: int = 40, weights: int = 5) -> Belief:
    root = RANDOM.normal(size=(weights, weights))
    covariance = root @ root.T / 50 + np.eye(weights) / 100
    covariance[0, :] = covariance[:, 0] = 0.0
    covariance[0, 0] = 1.0
    design = RANDOM.normal(size=(models, weights))
    design[:, 0] = 2.0  # a constant of the device's, hardly known beforehand
    return Belief(
        models=pd.MultiIndex.from_tuples([(f"m{i}", 224) for i in range(models)]),
        expectation=RANDOM.normal(size=models),
        design=design,
        covariance=covariance,
        variance=RANDOM.uniform(0.001, 0.01, size=models),
        scale_weight=8.0,
    )


@pytest.mark.parametrize("trust", [[1.0, 1.0, 1.0, 1.0], [1.0, 0.1, 1.2, 0.5]])
def test_the_posterior_is_that_of_a_gaussian_process(trust: list[float]) -> None:
    believed = made_belief()
    measured = np.array([3, 17, 25, 31])
    left = RANDOM.normal(size=4)
    weights, covariance, _ = believed._fit(measured, left, np.array(trust))
    rows = believed.design @ np.linalg.cholesky(believed.covariance)
    process = GaussianProcessRegressor(
        DotProduct(0.0, "fixed"), alpha=believed.variance[measured] / trust, optimizer=None
    )
    expected, deviation = process.fit(rows[measured], left).predict(rows, return_std=True)
    np.testing.assert_allclose(believed.design @ weights, expected, atol=1e-9)
    spread = np.einsum("ij,jk,ik->i", believed.design, covariance, believed.design)
    np.testing.assert_allclose(np.sqrt(spread), deviation, rtol=1e-4, atol=1e-7)
    if trust == [1.0] * 4:
        np.testing.assert_allclose(
            believed.uncertainty(list(measured)),
            np.sqrt(deviation**2 + believed.variance),
            rtol=1e-4,
        )


def test_the_estimate_is_that_of_a_process_that_trusts_odd_measurements_less() -> None:
    believed = made_belief()
    measured = list(range(12))
    log_s = believed.expectation[measured] + RANDOM.normal(size=12) * 0.05
    mean, half_width = believed.given(measured, log_s)
    odd = log_s.copy()
    odd[5] += 3.0
    mean_odd, wide = believed.given(measured, odd)
    rows = believed.design @ np.linalg.cholesky(believed.covariance)
    process = GaussianProcessRegressor(
        DotProduct(0.0, "fixed"), alpha=believed.variance[measured], optimizer=None
    )
    moved = [
        process.fit(rows[measured], values - believed.expectation[measured]).predict(rows)
        for values in (
            log_s - np.median(log_s - believed.expectation[measured]),
            odd - np.median(odd - believed.expectation[measured]),
        )
    ]
    assert np.abs(mean_odd - mean).mean() < np.abs(moved[1] - moved[0]).mean() / 3
    assert (wide > half_width).all()


def test_each_chosen_model_lowers_the_average_variance_most() -> None:
    believed = made_belief()
    candidates = np.arange(40) % 3 == 0
    chosen = believed.choose(candidates, 4)
    assert all(candidates[i] for i in chosen)
    for place in range(4):
        before = chosen[:place]
        variance = {
            i: np.mean(believed.uncertainty([*before, i]) ** 2)
            for i in np.flatnonzero(candidates)
            if i not in before
        }
        assert min(variance, key=variance.__getitem__) == chosen[place]


def test_no_more_are_chosen_than_there_are_and_none_twice() -> None:
    believed = made_belief()
    chosen = believed.choose(np.arange(40) < 6, 16)
    assert sorted(chosen) == list(range(6))


def test_a_device_that_deviates_more_than_any_before_widens_its_own_intervals() -> None:
    believed = made_belief()
    measured = list(range(12))
    usual = believed.expectation[measured] + RANDOM.normal(size=12) * 0.05
    _, narrow = believed.given(measured, usual)
    _, wide = believed.given(measured, believed.expectation[measured] + np.tile([2.0, -2.0], 6))
    assert (wide > 3 * narrow).all()


@pytest.mark.parametrize("shape", ["normal", "heavy-tailed"])
def test_intervals_cover_nine_in_ten(shape: str) -> None:
    hits = []
    for _ in range(60):
        believed = made_belief(models=200)
        weights = np.linalg.cholesky(believed.covariance) @ RANDOM.normal(size=5)
        noise = RANDOM.normal(size=200)
        if shape == "heavy-tailed":
            noise = RANDOM.standard_t(4, size=200) / np.sqrt(2)
        scale = RANDOM.uniform(0.5, 2.0)  # a device's own, unknown beforehand
        truth = believed.expectation + 3.0
        truth += scale * (believed.design @ weights + np.sqrt(believed.variance) * noise)
        measured = list(range(24))
        mean, half_width = believed.given(measured, truth[measured])
        hits.append(np.mean(np.abs(mean - truth)[24:] <= half_width[24:]))
    assert 0.86 <= np.mean(hits) <= 0.94


def made_sets(count: int = 6) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "device": [f"GPU {i // 2}" for i in range(count)],
            "device_kind": "cuda",
            "measure": "throughput",
            "precision": "amp-fp16",
            "layout": "nchw",
            "compiled": ["eager", "torch.compile"] * (count // 2),
            "torch": "2.9.1",
        }
    )


def made_speeds(sets: pd.DataFrame, models: int = 120) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Times that are a power of the operations, times a factor for compilation, per device."""
    index = pd.MultiIndex.from_tuples(
        [(f"model{i}", 224) for i in range(models)], names=["architecture", "image_size"]
    )
    features = pd.DataFrame(RANDOM.lognormal(20, 1, (models, 3)), index=index).set_axis(
        ["parameters", "multiply_adds", "activations"], axis=1
    )
    own = RANDOM.normal(0, 0.5, models)  # what compilation saves of each model
    log_s = pd.DataFrame(
        {
            i: np.log(features["multiply_adds"])
            - place // 2
            - (sets["compiled"][i] != "eager") * own
            for place, i in enumerate(sets.index)
        }
    )
    return log_s, features.assign(family="made")


def test_a_new_device_is_expected_to_be_like_the_sets_in_its_own_circumstances() -> None:
    sets = made_sets()
    log_s, features = made_speeds(sets)
    for asked in (4, 5):  # the last device, eager and compiled
        others = [0, 1, 2, 3]
        believed = foretelling.belief(log_s[others], sets.loc[others], sets.loc[asked], features)
        error = believed.expectation - log_s[asked]
        other = believed.expectation - log_s[9 - asked]
        assert error.std() < 0.5 * other.std()


def test_models_that_some_sets_lack_still_count_and_unknown_ones_are_left_out() -> None:
    sets = made_sets()
    log_s, features = made_speeds(sets)
    log_s.iloc[:30, :3] = np.nan
    log_s.iloc[30:32] = np.nan  # no set has them
    features.iloc[32, 1] = np.nan  # nor are its operations known
    believed = foretelling.belief(log_s[[0, 1, 2, 3]], sets.iloc[:4], sets.loc[4], features)
    names = set(believed.models.get_level_values(0))
    assert "model5" in names
    assert not names & {"model30", "model31", "model32"}
    assert len(names) == 117
    assert np.isfinite(believed.expectation).all()


def test_with_one_known_device_there_is_a_belief_though_no_deviation_was_ever_seen() -> None:
    sets = made_sets()
    log_s, features = made_speeds(sets)
    believed = foretelling.belief(log_s[[0]], sets.iloc[:1], sets.loc[4], features)
    mean, half_width = believed.given(list(range(10)), log_s[4].to_numpy()[:10])
    assert np.isfinite(mean).all()
    assert (half_width > 0).all()


def test_a_release_without_numbers_is_near_to_none() -> None:
    sets = made_sets()
    sets.loc[0, "torch"] = None
    alike = foretelling._similarity(sets, ASSUMED)
    assert np.isfinite(alike).all()
    assert alike[0, 2] < alike[2, 4]
