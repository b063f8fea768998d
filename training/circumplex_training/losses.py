"""The multi-task loss: votes for the expression, concordance and likelihood for affect."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def concordance(prediction: Tensor, target: Tensor) -> Tensor:
    """Lin's concordance of each column: 2 cov / (var1 + var2 + (m1 - m2)^2), population moments. B K twice -> K."""
    p_mean, t_mean = prediction.mean(dim=0), target.mean(dim=0)
    covariance = ((prediction - p_mean) * (target - t_mean)).mean(dim=0)
    spread = prediction.var(dim=0, correction=0) + target.var(dim=0, correction=0) + (p_mean - t_mean) ** 2
    return 2 * covariance / (spread + 1e-8)


def multi_task_loss(
    outputs: tuple[Tensor, Tensor, Tensor], shares: Tensor, target: Tensor
) -> tuple[Tensor, dict[str, float]]:
    """`outputs` as the network gives them, vote shares B 8, affect B 2 -> (scalar loss, its parts for the log)."""
    affect, logits, log_variance = (part.float() for part in outputs)
    expression = F.cross_entropy(logits, shares)
    agreement = (1 - concordance(affect, target)).mean()
    squared = (affect - target) ** 2
    # The variance learns from the error without moving the estimate.
    likelihood = 0.5 * (squared.detach() / log_variance.exp() + log_variance).mean()
    loss = expression + agreement + 2 * squared.mean() + 0.2 * likelihood
    return loss, {"expression": expression.item(), "ccc": agreement.item(), "mse": squared.mean().item()}


def ema_update(average: torch.nn.Module, network: torch.nn.Module, decay: float) -> None:
    """Moves every weight and statistic of `average` towards `network`."""
    with torch.no_grad():
        for kept, new in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
            if kept.dtype.is_floating_point:
                kept.lerp_(new, 1 - decay)
            else:
                kept.copy_(new)
