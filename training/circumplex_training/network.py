"""Two-level attention, multi-task network for apparent facial affect, after the abstract of "Two-Level Attention with
Multi-task Learning for Facial Emotion Estimation" (MMM 2019). Sizes and losses are our own reconstruction.

Shapes in the trailing comments: B pictures, T = 4 tokens (one a depth), D the token's size.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CROP_SIZE = 112  # side of the served crop in pixels
TRUNK_SIZE = 56  # side that the trunk sees: FER+ has 48 pixels, so finer detail than this is never learnt
WIDTHS = (32, 64, 128, 160)
STRIDES = (2, 2, 2, 1)
BLOCKS = (2, 2, 2, 1)
TOKEN_SIZE = 64
LSTM_SIZE = 48
HOPS = 2
SHARED_SIZE = 128


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

    def forward(self, tokens: Tensor) -> Tensor:
        states, _ = self.lstm(tokens)  # B T 2L
        weights = torch.softmax(self.score(torch.tanh(self.project(states))), dim=1)  # B T H
        return (weights.transpose(1, 2) @ states).flatten(1)  # B H*2L


class AffectNetwork(nn.Module):
    """Grey faces in, affect, expression logits and log-variances out."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv_norm(1, WIDTHS[0]), nn.ReLU())
        stages, attentions, tokens = [], [], []
        channels = WIDTHS[0]
        for width, stride, blocks in zip(WIDTHS, STRIDES, BLOCKS, strict=True):
            parts = [Residual(channels, width, stride)]
            parts += [Residual(width, width, 1) for _ in range(blocks - 1)]
            stages.append(nn.Sequential(*parts))
            attentions.append(RegionAttention(width))
            tokens.append(nn.Sequential(conv_norm(width, 2 * TOKEN_SIZE, 1), nn.ReLU()))
            channels = width
        self.stages = nn.ModuleList(stages)
        self.attentions = nn.ModuleList(attentions)
        self.tokens = nn.ModuleList(tokens)
        self.projections = nn.ModuleList(nn.Linear(2 * TOKEN_SIZE, TOKEN_SIZE) for _ in WIDTHS)
        self.layers = LayerAttention()
        self.shared = nn.Sequential(
            nn.Dropout(0.3), nn.Linear(HOPS * 2 * LSTM_SIZE, SHARED_SIZE), nn.ReLU(), nn.Dropout(0.3)
        )
        self.affect = nn.Linear(SHARED_SIZE, 2)
        self.expressions = nn.Linear(SHARED_SIZE, 8)
        self.log_variance = nn.Linear(SHARED_SIZE, 2)

    def forward(self, grey: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`grey`: B 1 56 56 in [-1, 1] -> affect B 2 in (-1, 1), expression logits B 8, log-variance of affect B 2."""
        x = self.stem(grey)  # B 32 56 56
        tokens = []
        for stage, attention, token, project in zip(
            self.stages, self.attentions, self.tokens, self.projections, strict=True
        ):
            x = attention(stage(x))  # B C h w, (h, C) = (28, 32), (14, 64), (7, 128), (7, 160)
            tokens.append(project(token(x).mean(dim=(2, 3))))  # B D
        fused = self.shared(self.layers(torch.stack(tokens, dim=1)))  # B S
        return (
            torch.tanh(self.affect(fused)),
            self.expressions(fused),
            self.log_variance(fused).clamp(-6, 2),
        )


class ServedNetwork(nn.Module):
    """What is exported: `uint8` crops in, named outputs in their final units out."""

    def __init__(self, network: AffectNetwork) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("luma", torch.tensor([0.299, 0.587, 0.114]))  # ITU-R BT.601

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`crops`: B 112 112 3 uint8 RGB -> affect B 2, expression probabilities B 8, uncertainty B (one deviation)."""
        grey = (crops.float() * self.luma).sum(dim=3).unsqueeze(1) / 127.5 - 1  # B 1 112 112
        grey = F.avg_pool2d(grey, CROP_SIZE // TRUNK_SIZE)  # B 1 56 56
        affect, logits, log_variance = self.network(grey)
        uncertainty = log_variance.exp().mean(dim=1).sqrt()
        return affect, torch.softmax(logits, dim=1), uncertainty
