"""The crop template and the similarity transform that maps it onto a face; `src/faces` does the same when serving."""

from __future__ import annotations

import numpy as np


def fit_similarity(template: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Least-squares similarity (rotation, uniform scale, shift; no mirroring) that maps `template` onto `points`.

    Both N x K x 2 -> N x 2 x 3.
    """
    template = np.broadcast_to(template, points.shape).astype(np.float64)
    from_mean, to_mean = template.mean(axis=1, keepdims=True), points.mean(axis=1, keepdims=True)
    source, target = template - from_mean, points - to_mean
    square = (source**2).sum(axis=(1, 2))
    a = (source * target).sum(axis=(1, 2)) / square
    b = (source[..., 0] * target[..., 1] - source[..., 1] * target[..., 0]).sum(axis=1) / square
    linear = np.stack([np.stack([a, -b], axis=1), np.stack([b, a], axis=1)], axis=1)  # N 2 2
    shift = to_mean[:, 0] - np.einsum("nij,nj->ni", linear, from_mean[:, 0])
    return np.concatenate([linear, shift[:, :, None]], axis=2).astype(np.float32)


def mean_template(landmarks: np.ndarray, side: int) -> np.ndarray:
    """The mean right eye, left eye and mouth centre of the data, made symmetric, in [0, 1] of the side: 3 x 2."""
    mean = np.nanmean(landmarks, axis=0) / side
    half = (mean[1, 0] - mean[0, 0]) / 2
    eyes = (mean[0, 1] + mean[1, 1]) / 2
    return np.array([[0.5 - half, eyes], [0.5 + half, eyes], [0.5, mean[2, 1]]]).round(3)
