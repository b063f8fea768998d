"""Pictures of one split that have a near copy in another: sets gathered from the web hold the same photograph twice,
cut or scaled a little differently, and a figure on such a picture says less."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIDE = 24
# Of two pictures' grey values at SIDE pixels a side. Of FER+ the 48 pairs next above it were looked at: each was one
# photograph.
CORRELATION = 0.95


def normalised(pictures: np.ndarray) -> np.ndarray:
    """N S S grey, S a multiple of SIDE -> N SIDE*SIDE of mean 0 and length 1 (zeros where nothing varies)."""
    step = pictures.shape[1] // SIDE
    small = pictures.reshape(len(pictures), SIDE, step, SIDE, step).mean((2, 4), dtype=np.float32)
    rows = small.reshape(len(pictures), -1)
    rows = rows - rows.mean(axis=1, keepdims=True)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)


def near_copies(pictures: np.ndarray, among: np.ndarray) -> NDArray[np.bool_]:
    """Which of N S S grey pictures have, as they are or mirrored, a correlation over CORRELATION with one of M S S."""
    others = np.concatenate([normalised(among), normalised(among[:, :, ::-1])]).T
    rows = normalised(pictures)
    return np.concatenate(
        [(part @ others).max(axis=1) > CORRELATION for part in np.split(rows, range(256, len(rows), 256))]
    )
