"""The multi-task loss: votes for the expression, a choice of losses and a likelihood for affect, faceness."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from circumplex_training.network import Readings

AFFECT_LOSSES = ("ccc", "mse", "tukey", "ccc+mse")
# Weights of the parts beside the expression's cross-entropy. The likelihood does not reach the estimates but by
# what they share with the uncertainty.
AFFECT_WEIGHT, LIKELIHOOD_WEIGHT, FACENESS_WEIGHT, AUXILIARY_WEIGHT = 1.0, 0.2, 0.8, 0.3
# Beyond this many robust deviations Tukey's loss is flat: 95 % efficient for normal errors.
TUKEY_CUTOFF = 4.685


@dataclass(frozen=True)
class Targets:
    """Expression shares B 8 (rows of zeros where there is no label), affect B 2 (NaN where there is none)."""

    shares: Tensor
    affect: Tensor


@dataclass(frozen=True)
class Tasks:
    """What is learnt. `columns` of affect: 0 valence, 1 arousal; `affect` is one of AFFECT_LOSSES."""

    affect: str = "ccc+mse"
    columns: tuple[int, ...] = (0, 1)
    expression: bool = True


def concordance(prediction: Tensor, target: Tensor) -> Tensor:
    """Lin's concordance of each column: 2 cov / (var1 + var2 + (m1 - m2)^2), population moments. B K twice -> K."""
    p_mean, t_mean = prediction.mean(dim=0), target.mean(dim=0)
    covariance = ((prediction - p_mean) * (target - t_mean)).mean(dim=0)
    spread = prediction.var(dim=0, correction=0) + target.var(dim=0, correction=0) + (p_mean - t_mean) ** 2
    return 2 * covariance / (spread + 1e-8)


def tukey(error: Tensor) -> Tensor:
    """Tukey's biweight of each column, errors in units of their median absolute deviation: B K -> B K."""
    spread = 1.4826 * error.detach().abs().median(dim=0).values.clamp(min=1e-3)
    inside = (1 - (error / spread / TUKEY_CUTOFF) ** 2).clamp(min=0)
    return TUKEY_CUTOFF**2 / 6 * (1 - inside**3)


def affect_loss(kind: str, prediction: Tensor, target: Tensor) -> Tensor:
    """One of AFFECT_LOSSES over B K predictions and targets -> scalar."""
    if kind == "ccc":
        return (1 - concordance(prediction, target)).mean()
    if kind == "mse":
        return ((prediction - target) ** 2).mean()
    if kind == "tukey":
        return tukey(prediction - target).mean()
    if kind == "ccc+mse":
        return 0.5 * affect_loss("ccc", prediction, target) + 2 * affect_loss("mse", prediction, target)
    raise ValueError(f"{kind} is none of {', '.join(AFFECT_LOSSES)}")


def multi_task_loss(
    readings: Readings, targets: Targets, is_face: Tensor, tasks: Tasks | None = None
) -> tuple[Tensor, dict[str, float]]:
    """`readings` of B pictures, the first len(targets) of them labelled; `is_face` B, 1 or 0 -> (scalar, parts)."""
    tasks = tasks or Tasks()
    labelled = len(targets.shares)
    affect, logits, log_variance, faceness, auxiliary = (part.float() for part in readings)
    loss, parts = faceness.sum() * 0, {}  # something to differentiate where nothing is labelled
    share = is_face.mean()
    # Faces alone would teach the head to call everything a face.
    if 0 < share < 1:
        # Faces and others count alike, though a batch holds several times as many faces.
        weight = torch.where(is_face > 0, 0.5 / share, 0.5 / (1 - share))
        judged = F.binary_cross_entropy_with_logits(faceness, is_face, weight)
        loss = loss + FACENESS_WEIGHT * judged
        parts["faceness"] = judged.item()
    voted = targets.shares.sum(dim=1) > 0
    if tasks.expression and voted.any():
        expression = F.cross_entropy(logits[:labelled][voted], targets.shares[voted])
        deep = F.cross_entropy(auxiliary[:labelled][voted], targets.shares[voted])
        loss = loss + expression + AUXILIARY_WEIGHT * deep
        parts["expression"] = expression.item()
    rated = ~targets.affect.isnan().any(dim=1)
    if rated.sum() > 1:
        columns = list(tasks.columns)
        prediction, target = affect[:labelled][rated][:, columns], targets.affect[rated][:, columns]
        log_spread = log_variance[:labelled][rated][:, columns]
        agreement = affect_loss(tasks.affect, prediction, target)
        squared = (prediction - target) ** 2
        # The error is what the variance learns from; no gradient goes through it into the estimate.
        likelihood = 0.5 * (squared.detach() / log_spread.exp() + log_spread).mean()
        loss = loss + AFFECT_WEIGHT * agreement + LIKELIHOOD_WEIGHT * likelihood
        parts |= {"affect": agreement.item(), "mse": squared.mean().item()}
    return loss, parts


def ema_update(average: torch.nn.Module, network: torch.nn.Module, decay: float) -> None:
    """Moves every weight and statistic of `average` towards `network`."""
    with torch.no_grad():
        for kept, new in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
            if kept.dtype.is_floating_point:
                kept.lerp_(new, 1 - decay)
            else:
                kept.copy_(new)
