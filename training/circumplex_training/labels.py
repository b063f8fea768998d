"""Classes, votes and the valence/arousal proxy.

FER+ holds the votes of ten raters for an expression and nothing on valence and arousal. The proxy of a picture is the
vote-weighted mean of its classes' mean valence and arousal on AffectNet's validation set (Mollahosseini, Hasani and
Mahoor, IEEE Transactions on Affective Computing 10, 2019). Every figure that rests on it must be called a proxy.
"""

from __future__ import annotations

import numpy as np

# The product's order (AffectNet's codes 0 to 7).
CLASSES = ("NEUTRAL", "HAPPINESS", "SADNESS", "SURPRISE", "FEAR", "DISGUST", "ANGER", "CONTEMPT")
# Columns of the FER+ manifest in that order.
FERPLUS_COLUMNS = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")

# Mean valence and arousal of each class on AffectNet's validation set.
CLASS_MEANS = np.array(
    [
        [-0.03, -0.02],
        [0.67, 0.08],
        [-0.63, -0.27],
        [0.18, 0.70],
        [-0.12, 0.76],
        [-0.68, 0.45],
        [-0.43, 0.55],
        [-0.51, 0.58],
    ],
    dtype=np.float32,
)


def clean_votes(votes: np.ndarray) -> np.ndarray:
    """Drops the votes of a single rater. `votes`: N x C counts."""
    return np.where(votes == 1, 0, votes)


def majority_labels(votes: np.ndarray, unknown: np.ndarray) -> np.ndarray:
    """The class with more than half of the votes that are left, `unknown` counting as a class; -1 where there is none.

    `votes`: N x 8 counts, `unknown`: N counts, both as given by the raters -> N class numbers.
    """
    cleaned = clean_votes(np.concatenate([votes, unknown[:, None]], axis=1))
    best = cleaned.argmax(axis=1)
    clear = cleaned.max(axis=1) * 2 > cleaned.sum(axis=1)
    return np.where(clear & (best < len(CLASSES)), best, -1)


def soft_labels(votes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vote shares of the eight classes and who has any: N x 8 counts -> (N x 8 shares, N booleans)."""
    cleaned = clean_votes(votes).astype(np.float32)
    total = cleaned.sum(axis=1, keepdims=True)
    return cleaned / np.maximum(total, 1), total[:, 0] > 0


def affect_proxy(shares: np.ndarray) -> np.ndarray:
    """N x 8 vote shares -> N x 2 proxy valence and arousal."""
    return shares @ CLASS_MEANS


def relabelled(estimates: np.ndarray, label: np.ndarray, trust: float, agreed: float) -> tuple[np.ndarray, np.ndarray]:
    """Soft labels for faces that have one noisy label each: N x 8 estimated probabilities and N class numbers -> N x 8
    shares and who agrees. Where the estimate gives the label at least `agreed`, the label's weight is `trust`; where
    the two part, the estimate stands alone."""
    given = (label[:, None] == np.arange(len(CLASSES))).astype(np.float32)
    agrees = (estimates * given).sum(axis=1) >= agreed
    weight = np.where(agrees, np.float32(trust), np.float32(0))[:, None]
    return (1 - weight) * estimates + weight * given, agrees
