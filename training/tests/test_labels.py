"""The rule of majority labels and the proxy."""

from __future__ import annotations

import numpy as np
import pytest

from circumplex_training.labels import CLASS_MEANS, affect_proxy, majority_labels, relabelled, soft_labels


def votes(**given: int) -> np.ndarray:
    order = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")
    return np.array([[given.get(name, 0) for name in order]])


@pytest.mark.parametrize(
    ("given", "unknown", "label"),
    [
        ({"happiness": 10}, 0, 1),
        ({"neutral": 5, "sadness": 5}, 0, -1),  # half is not more than half
        ({"neutral": 5, "sadness": 4, "fear": 1}, 0, 0),  # the single vote is dropped: 5 of 9
        ({"neutral": 5, "sadness": 3}, 2, -1),  # unknown counts: 5 of 10
        ({"neutral": 6, "sadness": 3}, 1, 0),  # a single unknown is dropped
        ({"neutral": 2}, 8, -1),  # unknown wins
        ({"fear": 1, "anger": 1}, 0, -1),  # nothing is left
    ],
)
def test_majority(given: dict[str, int], unknown: int, label: int) -> None:
    assert majority_labels(votes(**given), np.array([unknown]))[0] == label


def test_shares_leave_out_single_votes() -> None:
    shares, has_any = soft_labels(votes(neutral=6, sadness=3, fear=1))
    assert shares[0, [0, 2, 4]] == pytest.approx([2 / 3, 1 / 3, 0])
    assert has_any[0]


def test_proxy_is_the_weighted_mean_of_class_means() -> None:
    shares = np.array([[0.5, 0.5, 0, 0, 0, 0, 0, 0]], np.float32)
    assert affect_proxy(shares)[0] == pytest.approx((CLASS_MEANS[0] + CLASS_MEANS[1]) / 2)


def test_a_noisy_label_is_half_believed_where_the_estimate_agrees_and_not_where_they_part() -> None:
    estimates = np.array([[0.2, 0.8, 0, 0, 0, 0, 0, 0], [0.6, 0.4, 0, 0, 0, 0, 0, 0]], np.float32)
    shares, agrees = relabelled(estimates, np.array([1, 1]), trust=0.5, agreed=0.7)
    assert np.allclose(shares, [[0.1, 0.9, 0, 0, 0, 0, 0, 0], [0.6, 0.4, 0, 0, 0, 0, 0, 0]])
    assert agrees.tolist() == [True, False]
