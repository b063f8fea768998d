"""Training pictures as one tensor and their augmentation in whole batches."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from circumplex_training.alignment import fit_similarity
from circumplex_training.labels import affect_proxy, majority_labels, soft_labels


@dataclass(frozen=True)
class FaceSet:
    """N faces: pictures N 1 S S uint8; transforms N 2 3 from the crop's side [0, 1] to the picture's [0, 1]; expression
    shares N 8; proxy affect N 2; majority class N, -1 where the raters disagree."""

    pictures: Tensor
    transforms: Tensor
    shares: Tensor
    affect: Tensor
    majority: Tensor

    def __len__(self) -> int:
        return len(self.pictures)


def load_faces(path: Path, split: str, template: np.ndarray) -> FaceSet:
    """Faces of one split that have at least one clear vote, or all of them in another split than `train`."""
    packed = np.load(path)
    shares, has_votes = soft_labels(packed["votes"])
    majority = majority_labels(packed["votes"], packed["unknown"])
    keep = packed["split"] == split
    if split == "train":
        unknown_wins = packed["unknown"] * 2 > packed["votes"].sum(axis=1) + packed["unknown"]
        keep &= has_votes & ~unknown_wins
    side = packed["pictures"].shape[1]
    landmarks = packed["landmarks"][keep] / side
    # A face that the detector misses keeps its picture's own frame, which is the template's on average.
    landmarks = np.where(np.isnan(landmarks), template, landmarks)
    return FaceSet(
        pictures=torch.from_numpy(packed["pictures"][keep]).unsqueeze(1),
        transforms=torch.from_numpy(fit_similarity(template, landmarks)),
        shares=torch.from_numpy(shares[keep]),
        affect=torch.from_numpy(affect_proxy(shares[keep])),
        majority=torch.from_numpy(majority[keep]),
    )


def sample(pictures: Tensor, transforms: Tensor, size: int) -> Tensor:
    """Warps N 1 S S pictures by N 2 3 transforms (unit squares) to N 1 size size in [-1, 1]; edges are continued."""
    steps = (torch.arange(size) + 0.5) / size
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    points = torch.stack([x, y, torch.ones_like(x)], dim=-1)  # size size 3
    grid = torch.einsum("nij,hwj->nhwi", transforms, points) * 2 - 1
    warped = F.grid_sample(pictures.float(), grid, mode="bilinear", padding_mode="border", align_corners=False)
    return warped / 127.5 - 1


def random_transforms(count: int, generator: torch.Generator) -> Tensor:
    """Flips, turns to 15 degrees, scales .85 to 1.18, shifts to 7 % about the crop's centre: N 3 3, crop to crop."""

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(count, generator=generator) * (high - low) + low

    angle, scale = uniform(-15, 15) * math.pi / 180, torch.exp(uniform(math.log(0.85), math.log(1.18)))
    flip = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    centre_x, centre_y = 0.5 + uniform(-0.07, 0.07), 0.5 + uniform(-0.07, 0.07)
    zero, one = torch.zeros(count), torch.ones(count)
    rows = [
        torch.stack([cos * flip, -sin, centre_x - 0.5 * (cos * flip - sin)], dim=1),
        torch.stack([sin * flip, cos, centre_y - 0.5 * (sin * flip + cos)], dim=1),
        torch.stack([zero, zero, one], dim=1),
    ]
    return torch.stack(rows, dim=1)


def degrade(grey: Tensor, generator: torch.Generator) -> Tensor:
    """Light, contrast, low resolution, blur, sharpening, noise and covered patches, each on a share of the batch."""
    count, size = len(grey), grey.shape[-1]

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(count, 1, 1, 1, generator=generator) * (high - low) + low

    mean = grey.mean(dim=(2, 3), keepdim=True)
    grey = (grey - mean) * uniform(0.6, 1.5) + mean + uniform(-0.3, 0.3)
    small = F.interpolate(grey, size=int(torch.randint(18, 40, (1,), generator=generator)), mode="area")
    coarse = F.interpolate(small, size=size, mode="bilinear", align_corners=False)
    blurred = F.avg_pool2d(F.pad(grey, (1, 1, 1, 1), mode="replicate"), 3, 1)
    pick = uniform(0, 1)
    # Served crops are sharper than enlarged 48-pixel pictures: some of these are sharpened.
    sharpened = grey + (grey - blurred) * uniform(0.5, 2.0)
    grey = torch.where(pick < 0.2, coarse, torch.where(pick < 0.35, blurred, torch.where(pick < 0.7, sharpened, grey)))
    noisy = uniform(0, 1) < 0.3
    grey = grey + noisy * uniform(0, 0.12) * torch.randn(grey.shape, generator=generator)
    covered = uniform(0, 1) < 0.25
    rows, columns = torch.arange(size).view(1, 1, size, 1), torch.arange(size).view(1, 1, 1, size)
    top, left = uniform(-0.1, 0.9) * size, uniform(-0.1, 0.9) * size
    height, width = uniform(0.1, 0.4) * size, uniform(0.1, 0.4) * size
    patch = (rows >= top) & (rows < top + height) & (columns >= left) & (columns < left + width)
    return torch.where(covered & patch, uniform(-1, 1), grey).clamp(-1.0, 1.0)


def training_batch(faces: FaceSet, rows: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """The augmented pictures of `rows`: B 1 size size in [-1, 1]."""
    transforms = faces.transforms[rows] @ random_transforms(len(rows), generator)
    return degrade(sample(faces.pictures[rows], transforms, size), generator)
