"""Two-level attention, multi-task network for apparent facial affect, after the abstract of "Two-Level Attention with
Multi-task Learning for Facial Emotion Estimation" (MMM 2019). Sizes and losses are our own reconstruction.

Shapes in the trailing comments: B pictures, T = 4 tokens (one a depth), D the token's size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from circumplex_training.alignment import LUMA

# Side of the served crop in pixels: FER+ has 48, so finer detail than this is never learnt.
CROP_SIZE = 48
# On one thread of onnxruntime, batch 8: 470 faces a second. Twice the width at the first depth made 305.
STEM_WIDTH = 32
WIDTHS = (32, 64, 128, 256)
STRIDES = (2, 2, 2, 1)
BLOCKS = (2, 2, 2, 1)
POOL_SIZE = 128
TOKEN_SIZE = 96
LSTM_SIZE = 64
HOPS = 2
SHARED_SIZE = 160
FACENESS_DEPTH, FACENESS_GRID, FACENESS_CHANNELS, FACENESS_SIZE = 2, 6, 32, 48
DROPOUT = 0.1


@dataclass(frozen=True)
class Design:
    """What an ablation may leave out."""

    region_attention: bool = True
    layer_attention: bool = True


class Readings(NamedTuple):
    """Affect B 2 in (-1, 1), expression logits B 8, log-variance of affect B 2, faceness logit B, auxiliary expression
    logits B 8 of the last depth alone (training only)."""

    affect: Tensor
    logits: Tensor
    log_variance: Tensor
    faceness: Tensor
    auxiliary: Tensor


def conv_norm(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution with symmetric padding, then batch normalisation."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
    )


class Residual(nn.Module):
    """Two 3x3 convolutions with a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = conv_norm(inputs, outputs, 3, stride)
        self.second = conv_norm(outputs, outputs)
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else conv_norm(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.second(F.relu(self.first(x))) + self.shortcut(x))


class RegionAttention(nn.Module):
    """First level: residual attention (1 + M(x)) * x, its mask M in (0, 1) made by a small encoder and decoder."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = channels // 2
        self.encode = nn.Sequential(conv_norm(channels, inner, 3, 2), nn.ReLU(), conv_norm(inner, inner), nn.ReLU())
        self.decode = nn.Conv2d(inner, channels, 1)

    def mask(self, x: Tensor) -> Tensor:
        coarse = self.decode(self.encode(x))  # B C h/2 w/2
        return torch.sigmoid(F.interpolate(coarse, size=x.shape[-2:], mode="bilinear", align_corners=False))

    def forward(self, x: Tensor) -> Tensor:
        return x * (1 + self.mask(x))


class LayerAttention(nn.Module):
    """Second level: bidirectional LSTM over the depths' tokens, then structured attention softmax(w2 tanh(W1 H))."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(TOKEN_SIZE, LSTM_SIZE, batch_first=True, bidirectional=True)
        self.project = nn.Linear(2 * LSTM_SIZE, LSTM_SIZE, bias=False)
        self.score = nn.Linear(LSTM_SIZE, HOPS, bias=False)
        self.output_size = HOPS * 2 * LSTM_SIZE

    def weights(self, states: Tensor) -> Tensor:
        return torch.softmax(self.score(torch.tanh(self.project(states))), dim=1)  # B T H

    def forward(self, tokens: Tensor) -> Tensor:
        states, _ = self.lstm(tokens)  # B T 2L
        return (self.weights(states).transpose(1, 2) @ states).flatten(1)  # B H*2L


class JoinedTokens(nn.Module):
    """What stands for the second level in an ablation: the tokens side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.output_size = len(WIDTHS) * TOKEN_SIZE

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens.flatten(1)


class FacenessHead(nn.Module):
    """Whether a crop is a face at all, from where things are: the tokens are means over the crop and forget it."""

    def __init__(self) -> None:
        super().__init__()
        self.reduce = nn.Sequential(conv_norm(WIDTHS[FACENESS_DEPTH], FACENESS_CHANNELS), nn.ReLU())
        self.decide = nn.Sequential(
            nn.Linear(FACENESS_CHANNELS * FACENESS_GRID**2, FACENESS_SIZE), nn.ReLU(), nn.Linear(FACENESS_SIZE, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-1] != FACENESS_GRID:  # smaller crops in training
            x = F.interpolate(x, size=FACENESS_GRID, mode="bilinear", align_corners=False)
        return self.decide(self.reduce(x).flatten(1)).squeeze(1)  # B


class AffectNetwork(nn.Module):
    """Grey faces in, affect, expression logits, log-variances and faceness out."""

    def __init__(self, design: Design | None = None) -> None:
        super().__init__()
        design = design or Design()
        self.stem = nn.Sequential(conv_norm(1, STEM_WIDTH), nn.ReLU())
        stages, attentions, tokens, projections = [], [], [], []
        channels = STEM_WIDTH
        for width, stride, blocks in zip(WIDTHS, STRIDES, BLOCKS, strict=True):
            parts = [Residual(channels, width, stride)]
            parts += [Residual(width, width, 1) for _ in range(blocks - 1)]
            stages.append(nn.Sequential(*parts))
            attentions.append(RegionAttention(width) if design.region_attention else nn.Identity())
            tokens.append(nn.Sequential(conv_norm(width, POOL_SIZE, 1), nn.ReLU()))
            projections.append(nn.Sequential(nn.Linear(POOL_SIZE, TOKEN_SIZE), nn.LayerNorm(TOKEN_SIZE)))
            channels = width
        self.stages = nn.ModuleList(stages)
        self.attentions = nn.ModuleList(attentions)
        self.tokens = nn.ModuleList(tokens)
        self.projections = nn.ModuleList(projections)
        self.layers = LayerAttention() if design.layer_attention else JoinedTokens()
        self.shared = nn.Sequential(
            nn.Dropout(DROPOUT), nn.Linear(self.layers.output_size, SHARED_SIZE), nn.ReLU(), nn.Dropout(DROPOUT)
        )
        self.affect = nn.Linear(SHARED_SIZE, 2)
        self.expressions = nn.Linear(SHARED_SIZE, 8)
        self.log_variance = nn.Linear(SHARED_SIZE, 2)
        self.faceness = FacenessHead()
        # The second level's softmax and gates thin the gradient of a trunk that is trained from nothing; this head
        # gives the deepest features one of their own. It is not exported.
        self.auxiliary = nn.Linear(TOKEN_SIZE, 8)

    def faceness_features(self, grey: Tensor) -> Tensor:
        """What the faceness head reads: B 1 S S -> B 128 h w."""
        x = self.stem(grey)
        for stage, attention in list(zip(self.stages, self.attentions, strict=True))[: FACENESS_DEPTH + 1]:
            x = attention(stage(x))
        return x

    def forward(self, grey: Tensor) -> Readings:
        """`grey`: B 1 S S in [-1, 1], S = 48 when served."""
        x = self.stem(grey)  # B 32 48 48
        tokens, depths = [], []
        for stage, attention, token, project in zip(
            self.stages, self.attentions, self.tokens, self.projections, strict=True
        ):
            x = attention(stage(x))  # B C h w, (h, C) = (24, 32), (12, 64), (6, 128), (6, 256)
            depths.append(x)
            tokens.append(project(token(x).mean(dim=(2, 3))))  # B D
        fused = self.shared(self.layers(torch.stack(tokens, dim=1)))  # B shared
        return Readings(
            affect=torch.tanh(self.affect(fused)),
            logits=self.expressions(fused),
            log_variance=self.log_variance(fused).clamp(-6, 2),
            faceness=self.faceness(depths[FACENESS_DEPTH]),
            auxiliary=self.auxiliary(tokens[-1]),
        )


class ServedNetwork(nn.Module):
    """What is exported: `uint8` crops in, named outputs in their final units out."""

    def __init__(self, network: AffectNetwork) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("luma", torch.tensor(LUMA))

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """`crops`: B 48 48 3 uint8 RGB -> affect B 2, expression probabilities B 8, uncertainty B (one deviation),
        faceness B (probability)."""
        grey = (crops.float() * self.luma).sum(dim=3).unsqueeze(1) / 127.5 - 1  # B 1 48 48
        readings = self.network(grey)
        uncertainty = readings.log_variance.exp().mean(dim=1).sqrt()
        return readings.affect, torch.softmax(readings.logits, dim=1), uncertainty, torch.sigmoid(readings.faceness)
