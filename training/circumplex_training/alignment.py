"""The crop template and the similarity transform that maps it onto a face, as `src/faces/align.ts` does to serve."""

from __future__ import annotations

import numpy as np

# Right eye, left eye and mouth centre in the crop, in [0, 1] of its side: the mean of what the product's detector finds
# on the pictures of FER+ `train`, made symmetric. `prepare` prints the measured mean beside it.
TEMPLATE = np.array([[0.325, 0.38], [0.675, 0.38], [0.5, 0.77]])
# A crop pixel takes at most so many samples along a side, as when serving.
MAX_SAMPLES = 4
# Grey of red, green and blue: ITU-R BT.601.
LUMA = (0.299, 0.587, 0.114)
# Training pictures show VIEW times the crop in SIDE pixels, so that turning and shifting finds something there: 48 of
# the 72 pixels are the crop.
SIDE, VIEW = 72, 1.5


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


def widened(template: np.ndarray, factor: float) -> np.ndarray:
    """Where the template's points lie in a crop whose side is `factor` times as long, about the same centre: 3 x 2."""
    return (template - 0.5) / factor + 0.5


def align_face(picture: np.ndarray, points: np.ndarray, template: np.ndarray, size: int) -> np.ndarray:
    """The crop as it is served: H W 3 uint8 picture, 3 x 2 points in its pixels -> size size 3 uint8.

    A crop pixel is the mean of n x n bilinear samples spread evenly over it, n the number of source pixels in its side,
    rounded, 1 to 4; outside the picture its edge goes on.
    """
    (a, minus_b, shift_x), (b, _, shift_y) = fit_similarity(template[None] * size, points[None])[0].astype(np.float64)
    samples = min(MAX_SAMPLES, max(1, int(np.floor(np.hypot(a, b) + 0.5))))
    steps = (np.arange(size * samples) + 0.5) / samples
    y, x = np.meshgrid(steps, steps, indexing="ij")
    height, width = picture.shape[:2]
    source_x = np.clip(a * x + minus_b * y + shift_x - 0.5, 0, width - 1)
    source_y = np.clip(b * x + a * y + shift_y - 0.5, 0, height - 1)
    left, top = source_x.astype(np.intp), source_y.astype(np.intp)
    right, below = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    along_x, along_y = (source_x - left)[..., None], (source_y - top)[..., None]
    upper = picture[top, left] * (1 - along_x) + picture[top, right] * along_x
    lower = picture[below, left] * (1 - along_x) + picture[below, right] * along_x
    fine = upper * (1 - along_y) + lower * along_y  # size*n size*n 3
    mean = fine.reshape(size, samples, size, samples, 3).mean(axis=(1, 3))
    return (mean + 0.5).astype(np.uint8)


def grey(picture: np.ndarray) -> np.ndarray:
    """... 3 red, green, blue in [0, 255] -> ... of float32 in the same range."""
    return picture.astype(np.float32) @ np.array(LUMA, np.float32)


def grey_view(picture: np.ndarray, points: np.ndarray) -> np.ndarray:
    """What training keeps of a face: the surroundings of its crop, SIDE x SIDE uint8, aligned by 3 x 2 points."""
    return (grey(align_face(picture, points, widened(TEMPLATE, VIEW), SIDE)) + 0.5).astype(np.uint8)
