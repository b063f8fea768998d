"""Figures of merit for affect and expressions. Each takes N numbers or labels; population moments throughout."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def rmse(prediction: np.ndarray, target: np.ndarray) -> float:
    """Root of the mean squared error."""
    return float(np.sqrt(np.mean((prediction - target) ** 2)))


def pcc(prediction: np.ndarray, target: np.ndarray) -> float:
    """Pearson's correlation; 0 where either does not vary."""
    p, t = prediction - prediction.mean(), target - target.mean()
    spread = np.sqrt(np.mean(p**2) * np.mean(t**2))
    return float(np.mean(p * t) / spread) if spread > 0 else 0.0


def sagr(prediction: np.ndarray, target: np.ndarray) -> float:
    """Share of equal signs; a zero agrees with a zero alone."""
    return float(np.mean(np.sign(prediction) == np.sign(target)))


def ccc(prediction: np.ndarray, target: np.ndarray) -> float:
    """Lin's concordance, 2 cov / (var + var + (difference of means)^2)."""
    covariance = np.mean((prediction - prediction.mean()) * (target - target.mean()))
    spread = prediction.var() + target.var() + (prediction.mean() - target.mean()) ** 2
    return float(2 * covariance / spread) if spread > 0 else 0.0


def icc31(prediction: np.ndarray, target: np.ndarray) -> float:
    """ICC(3,1) of Shrout and Fleiss for two raters: (between - error) / (between + error), mean squares of a two-way
    table without interaction."""
    table = np.stack([prediction, target], axis=1)  # N 2
    count, raters = table.shape
    rows, columns = table.mean(axis=1, keepdims=True), table.mean(axis=0, keepdims=True)
    between = raters * np.sum((rows - table.mean()) ** 2) / (count - 1)
    error = np.sum((table - rows - columns + table.mean()) ** 2) / ((count - 1) * (raters - 1))
    return float((between - error) / (between + error)) if between + error > 0 else 0.0


AFFECT_METRICS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "RMSE": rmse,
    "PCC": pcc,
    "SAGR": sagr,
    "CCC": ccc,
    "ICC(3,1)": icc31,
}


def accuracy(predicted: np.ndarray, label: np.ndarray) -> float:
    """Share of right classes."""
    return float(np.mean(predicted == label))


def macro_recall(predicted: np.ndarray, label: np.ndarray) -> float:
    """Mean over the classes that occur as labels of the share of their pictures that are found."""
    return float(np.mean([np.mean(predicted[label == one] == one) for one in np.unique(label)]))


def macro_f1(predicted: np.ndarray, label: np.ndarray) -> float:
    """Mean over the classes that occur as labels of 2 found / (labelled + estimated)."""
    each = [
        2 * np.sum((predicted == one) & (label == one)) / (np.sum(predicted == one) + np.sum(label == one))
        for one in np.unique(label)
    ]
    return float(np.mean(each))


EXPRESSION_METRICS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "accuracy": accuracy,
    "macro recall": macro_recall,
    "macro F1": macro_f1,
}


def confusion(predicted: np.ndarray, label: np.ndarray, classes: int) -> np.ndarray:
    """Counts, a row for each label and a column for each prediction: classes x classes."""
    table = np.zeros((classes, classes), np.int64)
    np.add.at(table, (label, predicted), 1)
    return table


def calibration(confidence: np.ndarray, right: np.ndarray, bins: int = 15) -> tuple[float, np.ndarray]:
    """Expected calibration error over equal bins of confidence, and bins x 3: mean confidence, accuracy, share (of
    pictures; rows of zeros where a bin is empty)."""
    place = np.clip((confidence * bins).astype(int), 0, bins - 1)
    table = np.zeros((bins, 3))
    for index in range(bins):
        inside = place == index
        if inside.any():
            table[index] = confidence[inside].mean(), right[inside].mean(), inside.mean()
    return float(np.sum(table[:, 2] * np.abs(table[:, 0] - table[:, 1]))), table


def bootstrap(
    metric: Callable[[np.ndarray, np.ndarray], float],
    prediction: np.ndarray,
    target: np.ndarray,
    *,
    rounds: int = 1000,
    seed: int = 1,
) -> tuple[float, float]:
    """The middle 95 % of the metric over resampled pictures."""
    random = np.random.default_rng(seed)
    values = []
    for _ in range(rounds):
        rows = random.integers(0, len(target), len(target))
        values.append(metric(prediction[rows], target[rows]))
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
