"""Formulas against cases worked out by hand and against SciPy and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import confusion_matrix, f1_score, recall_score, root_mean_squared_error

from circumplex_training import metrics

PREDICTION = np.array([1.0, 2.0, 3.0, 4.0])
TARGET = np.array([1.0, 3.0, 2.0, 6.0])


@pytest.fixture
def noisy() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(7)
    target = random.uniform(-1, 1, 500)
    return np.clip(0.7 * target + random.normal(0, 0.3, 500) + 0.1, -1, 1), target


def test_rmse_by_hand() -> None:
    # Errors 0, -1, 1, -2: squares sum to 6.
    assert metrics.rmse(PREDICTION, TARGET) == pytest.approx(np.sqrt(6 / 4))


def test_rmse_as_scikit_learn(noisy: tuple[np.ndarray, np.ndarray]) -> None:
    assert metrics.rmse(*noisy) == pytest.approx(root_mean_squared_error(noisy[1], noisy[0]))


def test_pcc_by_hand() -> None:
    # Deviations -1.5, -.5, .5, 1.5 and -2, 0, -1, 3: products sum to 7, squares to 5 and 14.
    assert metrics.pcc(PREDICTION, TARGET) == pytest.approx(7 / np.sqrt(5 * 14))


def test_pcc_as_scipy(noisy: tuple[np.ndarray, np.ndarray]) -> None:
    assert metrics.pcc(*noisy) == pytest.approx(stats.pearsonr(*noisy).statistic)


def test_pcc_of_a_constant_is_zero() -> None:
    assert metrics.pcc(np.ones(4), TARGET) == 0.0


def test_ccc_by_hand() -> None:
    # Covariance 7/4, variances 5/4 and 14/4, means 2.5 and 3.
    assert metrics.ccc(PREDICTION, TARGET) == pytest.approx(2 * 7 / 4 / (5 / 4 + 14 / 4 + 0.25))


def test_ccc_is_pcc_times_the_bias_factor(noisy: tuple[np.ndarray, np.ndarray]) -> None:
    prediction, target = noisy
    ratio = prediction.std() / target.std()
    shift = (prediction.mean() - target.mean()) ** 2 / (prediction.std() * target.std())
    assert metrics.ccc(*noisy) == pytest.approx(stats.pearsonr(*noisy).statistic * 2 / (ratio + 1 / ratio + shift))


def test_sagr_by_hand() -> None:
    assert metrics.sagr(np.array([0.1, -0.2, 0.3, 0.0]), np.array([0.5, 0.2, 0.1, 0.4])) == 0.5


def test_icc31_of_a_constant_shift_is_one() -> None:
    # Consistency, not agreement: a rater who is always 2 higher agrees.
    assert metrics.icc31(PREDICTION, PREDICTION + 2) == pytest.approx(1.0)


def test_icc31_of_shrout_and_fleiss() -> None:
    # The first two judges of Shrout and Fleiss (1979), table 2; mean squares of a two-way table.
    first = np.array([9.0, 6, 8, 7, 10, 6])
    second = np.array([2.0, 1, 4, 1, 5, 2])
    table = np.stack([first, second], axis=1)
    rows = 2 * ((table.mean(axis=1) - table.mean()) ** 2).sum() / 5
    total = ((table - table.mean()) ** 2).sum()
    columns = 6 * ((table.mean(axis=0) - table.mean()) ** 2).sum()
    error = (total - rows * 5 - columns) / 5
    assert metrics.icc31(first, second) == pytest.approx((rows - error) / (rows + error))


def test_icc31_as_covariance(noisy: tuple[np.ndarray, np.ndarray]) -> None:
    # For two raters ICC(3,1) is twice the covariance over the sum of variances.
    covariance = np.cov(*noisy)
    assert metrics.icc31(*noisy) == pytest.approx(2 * covariance[0, 1] / (covariance[0, 0] + covariance[1, 1]))


def test_confusion_as_scikit_learn() -> None:
    random = np.random.default_rng(3)
    predicted, label = random.integers(0, 8, 300), random.integers(0, 8, 300)
    assert (metrics.confusion(predicted, label, 8) == confusion_matrix(label, predicted, labels=range(8))).all()


def test_calibration_by_hand() -> None:
    # Two bins of two: confidence .9 and right once (gap .4), confidence .3 and right once (gap .2).
    confidence, right = np.array([0.9, 0.9, 0.3, 0.3]), np.array([True, False, True, False])
    error, table = metrics.calibration(confidence, right, bins=2)
    assert error == pytest.approx(0.5 * 0.4 + 0.5 * 0.2)
    assert table[:, 2].tolist() == [0.5, 0.5]


def test_bootstrap_holds_the_value_and_narrows_with_more_pictures(noisy: tuple[np.ndarray, np.ndarray]) -> None:
    prediction, target = noisy
    low, high = metrics.bootstrap(metrics.ccc, prediction, target, rounds=200)
    assert low < metrics.ccc(prediction, target) < high
    few_low, few_high = metrics.bootstrap(metrics.ccc, prediction[:50], target[:50], rounds=200)
    assert few_high - few_low > high - low


def test_macro_figures_by_hand() -> None:
    # Class 0: 2 of 3 found, 1 too many; class 1: 1 of 2 found, 1 too many; class 2 has no label.
    predicted, label = np.array([0, 0, 1, 1, 0]), np.array([0, 0, 0, 1, 1])
    assert metrics.macro_recall(predicted, label) == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert metrics.macro_f1(predicted, label) == pytest.approx((4 / 6 + 2 / 4) / 2)


def test_macro_figures_as_scikit_learn() -> None:
    random = np.random.default_rng(3)
    label = random.integers(0, 5, 400)
    predicted = np.where(random.random(400) < 0.6, label, random.integers(0, 5, 400))
    assert metrics.macro_recall(predicted, label) == pytest.approx(recall_score(label, predicted, average="macro"))
    assert metrics.macro_f1(predicted, label) == pytest.approx(f1_score(label, predicted, average="macro"))
