"""Losses against NumPy and worked cases."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from circumplex_training import metrics
from circumplex_training.losses import (
    AFFECT_LOSSES,
    TUKEY_CUTOFF,
    Targets,
    Tasks,
    affect_loss,
    concordance,
    ema_update,
    multi_task_loss,
    tukey,
)
from circumplex_training.network import Readings


def readings(count: int, **changed: torch.Tensor) -> Readings:
    parts = {
        "affect": torch.zeros(count, 2),
        "logits": torch.zeros(count, 8),
        "log_variance": torch.zeros(count, 2),
        "faceness": torch.zeros(count),
        "auxiliary": torch.zeros(count, 8),
    }
    return Readings(**(parts | changed))


def test_concordance_as_in_metrics() -> None:
    random = np.random.default_rng(1)
    prediction, target = random.normal(size=(2, 50, 2))
    found = concordance(torch.from_numpy(prediction), torch.from_numpy(target)).numpy()
    assert found == pytest.approx([metrics.ccc(prediction[:, column], target[:, column]) for column in range(2)])


def test_tukey_is_flat_beyond_its_cutoff() -> None:
    error = torch.cat([torch.linspace(-1, 1, 201), torch.tensor([50.0, 500.0])]).unsqueeze(1)
    loss = tukey(error)
    assert loss[-1].item() == loss[-2].item() == pytest.approx(TUKEY_CUTOFF**2 / 6)


def test_tukey_is_half_the_square_of_small_errors() -> None:
    error = torch.linspace(-1, 1, 201).unsqueeze(1)
    spread = 1.4826 * error.abs().median()
    near = error.abs().squeeze() < 0.05
    assert tukey(error)[near] == pytest.approx((0.5 * (error / spread) ** 2)[near].numpy(), rel=0.02)


@pytest.mark.parametrize("kind", AFFECT_LOSSES)
def test_each_affect_loss_is_least_where_estimates_are_right(kind: str) -> None:
    target = torch.rand(32, 2) * 2 - 1
    right, wrong = affect_loss(kind, target, target), affect_loss(kind, target.flip(0), target)
    assert right.item() == pytest.approx(0, abs=1e-6)
    assert wrong > right


def test_unknown_affect_loss_is_refused() -> None:
    with pytest.raises(ValueError, match="none of"):
        affect_loss("huber", torch.zeros(2, 2), torch.zeros(2, 2))


def test_rows_without_labels_do_not_count() -> None:
    shares, affect = torch.eye(8)[:4].clone(), torch.rand(4, 2)
    shares[3], affect[2] = 0, float("nan")
    estimate = torch.zeros(4, 2, requires_grad=True)
    logits = torch.zeros(4, 8, requires_grad=True)
    loss, _ = multi_task_loss(readings(4, affect=estimate, logits=logits), Targets(shares, affect), torch.ones(4))
    loss.backward()
    assert estimate.grad[2].abs().sum() == 0 and estimate.grad[3].abs().sum() > 0
    assert logits.grad[3].abs().sum() == 0 and logits.grad[2].abs().sum() > 0


def test_a_single_task_leaves_the_other_axis_alone() -> None:
    estimate = torch.zeros(4, 2, requires_grad=True)
    targets = Targets(torch.eye(8)[:4], torch.rand(4, 2))
    loss, parts = multi_task_loss(
        readings(4, affect=estimate), targets, torch.ones(4), Tasks(columns=(1,), expression=False)
    )
    loss.backward()
    assert estimate.grad[:, 0].abs().sum() == 0 and estimate.grad[:, 1].abs().sum() > 0
    assert "expression" not in parts


def test_the_likelihood_does_not_move_the_estimate() -> None:
    targets = Targets(torch.zeros(4, 8), torch.full((4, 2), 0.5))
    gradients = []
    for log_variance in (-3.0, 2.0):
        estimate = torch.zeros(4, 2, requires_grad=True)
        given = readings(4, affect=estimate, log_variance=torch.full((4, 2), log_variance))
        multi_task_loss(given, targets, torch.ones(4), Tasks(affect="mse"))[0].backward()
        gradients.append(estimate.grad)
    assert torch.equal(*gradients)


def test_crops_behind_the_labelled_ones_teach_faceness_alone() -> None:
    faceness = torch.zeros(6, requires_grad=True)
    estimate = torch.zeros(6, 2, requires_grad=True)
    is_face = torch.tensor([1.0, 1, 1, 1, 0, 0])
    targets = Targets(torch.eye(8)[:4], torch.rand(4, 2))
    multi_task_loss(readings(6, affect=estimate, faceness=faceness), targets, is_face)[0].backward()
    assert (faceness.grad[:4] < 0).all() and (faceness.grad[4:] > 0).all()
    assert estimate.grad[4:].abs().sum() == 0


def test_average_moves_towards_the_network() -> None:
    average, network = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    before = average.weight.detach().clone()
    ema_update(average, network, 0.75)
    assert torch.allclose(average.weight, 0.75 * before + 0.25 * network.weight)
