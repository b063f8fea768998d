"""Augmentation in whole batches: what serving meets (pose, scale, light, low resolution, blur, noise, cover)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from circumplex_training.data import FacenessSet, FaceSet, sample
from circumplex_training.losses import Targets

# A batch of 128 labelled faces carries so many crops that teach faceness alone, of each kind.
FACENESS_ROWS = {"wrong-box": 14, "background": 4, "drawn": 14, "face": 4}
MIXED_SPREAD = 0.4


@dataclass(frozen=True)
class Batch:
    """Pictures B 1 S S in [-1, 1], the first len(targets) labelled; is_face B."""

    pictures: Tensor
    targets: Targets
    is_face: Tensor

    def to(self, device: str) -> Batch:
        targets = Targets(self.targets.shares.to(device), self.targets.affect.to(device))
        return Batch(self.pictures.to(device), targets, self.is_face.to(device))


def random_transforms(count: int, generator: torch.Generator) -> Tensor:
    """Flips, turns to 12 degrees, scales .89 to 1.12, shifts to 4 % about the crop's centre: N 3 3, crop to crop."""

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(count, generator=generator) * (high - low) + low

    angle, scale = uniform(-12, 12) * math.pi / 180, torch.exp(uniform(math.log(0.89), math.log(1.12)))
    # A little unequal scaling stands for the turn of a head.
    stretch = torch.exp(uniform(-0.06, 0.06))
    flip = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0) * stretch
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    centre_x, centre_y = 0.5 + uniform(-0.04, 0.04), 0.5 + uniform(-0.04, 0.04)
    zero, one = torch.zeros(count), torch.ones(count)
    rows = [
        torch.stack([cos * flip, -sin, centre_x - 0.5 * (cos * flip - sin)], dim=1),
        torch.stack([sin * flip, cos, centre_y - 0.5 * (sin * flip + cos)], dim=1),
        torch.stack([zero, zero, one], dim=1),
    ]
    return torch.stack(rows, dim=1)


def coarsened(grey: Tensor, low: int, high: int, generator: torch.Generator) -> Tensor:
    """As faces of `low` to `high` - 1 pixels look enlarged, one number for the batch. N 1 S S -> the same."""
    pixels = int(torch.randint(low, high, (1,), generator=generator))
    small = F.interpolate(grey, size=pixels, mode="area")
    return F.interpolate(small, size=grey.shape[-1], mode="bilinear", align_corners=False)


def degrade(grey: Tensor, generator: torch.Generator) -> Tensor:
    """Light, contrast, gamma, low resolution, blur, sharpening, noise and covered patches, each on a share of the
    batch. N 1 S S in [-1, 1] -> the same."""
    count, size = len(grey), grey.shape[-1]

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(count, 1, 1, 1, generator=generator) * (high - low) + low

    grey = ((grey + 1) / 2).clamp(0, 1) ** torch.exp(uniform(-0.35, 0.35)) * 2 - 1
    mean = grey.mean(dim=(2, 3), keepdim=True)
    grey = (grey - mean) * uniform(0.7, 1.4) + mean + uniform(-0.2, 0.2)
    coarse = coarsened(grey, 18, 36, generator)
    blurred = F.avg_pool2d(F.pad(grey, (1, 1, 1, 1), mode="replicate"), 3, 1)
    pick = uniform(0, 1)
    # Served crops are sharper than enlarged 48-pixel pictures: some of these are sharpened.
    sharpened = grey + (grey - blurred) * uniform(0.4, 1.6)
    soft = torch.where(pick < 0.08, coarse, blurred)
    grey = torch.where(pick < 0.14, soft, torch.where(pick < 0.35, sharpened, grey))
    noisy = uniform(0, 1) < 0.12
    grey = grey + noisy * uniform(0, 0.1) * torch.randn(grey.shape, generator=generator)
    covered = uniform(0, 1) < 0.12
    rows, columns = torch.arange(size).view(1, 1, size, 1), torch.arange(size).view(1, 1, 1, size)
    top, left = uniform(-0.1, 0.9) * size, uniform(-0.1, 0.9) * size
    height, width = uniform(0.1, 0.45) * size, uniform(0.1, 0.45) * size
    patch = (rows >= top) & (rows < top + height) & (columns >= left) & (columns < left + width)
    return torch.where(covered & patch, uniform(-1, 1), grey).clamp(-1.0, 1.0)


def mix(pictures: Tensor, targets: Targets, mixed_share: float, random: np.random.Generator) -> tuple[Tensor, Targets]:
    """Blends a share of the labelled pictures with others of the batch, labels alike (mixup, Zhang et al. 2018)."""
    count = len(targets.shares)
    share = np.where(random.random(count) < mixed_share, random.beta(MIXED_SPREAD, MIXED_SPREAD, count), 1.0)
    kept = torch.from_numpy(np.maximum(share, 1 - share).astype(np.float32))
    other = torch.from_numpy(random.permutation(count))
    blend = kept.view(-1, 1, 1, 1)
    first = pictures[:count] * blend + pictures[:count][other] * (1 - blend)
    weight = kept.view(-1, 1)
    mixed = Targets(
        shares=targets.shares * weight + targets.shares[other] * (1 - weight),
        # A whole picture keeps its label even where its partner has none (NaN).
        affect=torch.where(weight < 1, targets.affect * weight + targets.affect[other] * (1 - weight), targets.affect),
    )
    return torch.cat([first, pictures[count:]]), mixed


def training_batch(
    faces: FaceSet, rows: Tensor, faceness: FacenessSet | None, size: int, seed: int, *, mixed_share: float
) -> Batch:
    """The augmented pictures of `rows`, and crops for faceness after them. The same seed gives the same batch."""
    generator = torch.Generator().manual_seed(seed)
    random = np.random.default_rng(seed)
    pictures = sample(faces.pictures[rows], faces.transforms[rows] @ random_transforms(len(rows), generator), size)
    is_face = torch.ones(len(rows))
    if faceness is not None:
        chosen = []
        for kind, number in FACENESS_ROWS.items():
            of_kind = np.flatnonzero(faceness.kind == kind)
            number = max(1, number * len(rows) // 128)
            if len(of_kind):
                chosen.append(random.choice(of_kind, number))
        extra = torch.from_numpy(np.concatenate(chosen))
        turned = faceness.transforms[extra] @ random_transforms(len(extra), generator)
        pictures = torch.cat([pictures, sample(faceness.pictures[extra], turned, size)])
        is_face = torch.cat([is_face, torch.from_numpy((faceness.kind[extra.numpy()] == "face").astype(np.float32))])
    pictures = degrade(pictures, generator)
    targets = Targets(faces.shares[rows], faces.affect[rows])
    if mixed_share > 0:
        pictures, targets = mix(pictures, targets, mixed_share, random)
    return Batch(pictures, targets, is_face)
