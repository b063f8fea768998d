"""Training pictures as tensors, as `prepare` and `faceness` wrote them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from circumplex_training.alignment import TEMPLATE, fit_similarity, widened
from circumplex_training.labels import affect_proxy, majority_labels, soft_labels


@dataclass(frozen=True)
class FaceSet:
    """N faces: pictures N 1 S S uint8; transforms N 2 3 from the crop's side [0, 1] to the picture's [0, 1]; expression
    shares N 8, zeros where unknown; affect N 2, NaN where unknown; class N, -1 where there is none or the raters
    disagree. `is_proxy` tells that affect was worked out from expressions."""

    pictures: Tensor
    transforms: Tensor
    shares: Tensor
    affect: Tensor
    majority: Tensor
    is_proxy: bool

    def __len__(self) -> int:
        return len(self.pictures)

    def first(self, count: int) -> FaceSet:
        """The first `count` faces, or all where there are fewer."""
        parts = (part[:count] for part in (self.pictures, self.transforms, self.shares, self.affect, self.majority))
        return FaceSet(*parts, self.is_proxy)


@dataclass(frozen=True)
class FacenessSet:
    """N crops without other labels: pictures N 1 S S uint8, transforms N 2 3 as in FaceSet, kind of each."""

    pictures: Tensor
    transforms: Tensor
    kind: np.ndarray

    def __len__(self) -> int:
        return len(self.pictures)


def load_faces(path: Path, split: str) -> FaceSet:
    """Faces of one split, or of `all`; of `train`, those alone that have a label to learn from."""
    packed = np.load(path)
    keep = (packed["split"] == split) | (split == "all")
    is_proxy = "votes" in packed or "shares" in packed
    if "shares" in packed:
        shares, has_label = packed["shares"], np.ones(len(packed["shares"]), bool)
        majority, affect = shares.argmax(axis=1), affect_proxy(shares)
    elif is_proxy:
        shares, has_label = soft_labels(packed["votes"])
        majority = majority_labels(packed["votes"], packed["unknown"])
        affect = np.where(has_label[:, None], affect_proxy(shares), np.nan).astype(np.float32)
        has_label &= packed["unknown"] * 2 <= packed["votes"].sum(axis=1) + packed["unknown"]
    else:
        majority, affect = packed["expression"].astype(np.int64), packed["affect"]
        shares = (majority[:, None] == np.arange(8)).astype(np.float32)
        has_label = (majority >= 0) | ~np.isnan(affect).any(axis=1)
    if split == "train":
        keep &= has_label
    side = packed["pictures"].shape[1]
    landmarks = packed["landmarks"][keep] / side
    # A face that the detector misses keeps its picture's own frame, which is the template's on average.
    landmarks = np.where(np.isnan(landmarks), TEMPLATE, landmarks)
    return FaceSet(
        pictures=torch.from_numpy(packed["pictures"][keep]).unsqueeze(1),
        transforms=torch.from_numpy(fit_similarity(TEMPLATE, landmarks)),
        shares=torch.from_numpy(shares[keep]),
        affect=torch.from_numpy(affect[keep]),
        majority=torch.from_numpy(majority[keep]),
        is_proxy=is_proxy,
    )


def joined(faces: FaceSet, more: FaceSet) -> FaceSet:
    """Both sets in one. Smaller pictures get an edge, continued as `sample` would continue it."""
    side = max(faces.pictures.shape[-1], more.pictures.shape[-1])
    sets = [_with_edge(faces, side), _with_edge(more, side)]
    columns = zip(*((one.pictures, one.transforms, one.shares, one.affect, one.majority) for one in sets), strict=True)
    return FaceSet(*(torch.cat(column) for column in columns), faces.is_proxy or more.is_proxy)


def _with_edge(faces: FaceSet, side: int) -> FaceSet:
    own = faces.pictures.shape[-1]
    if own == side:
        return faces
    before = (side - own) // 2
    nearest = (torch.arange(side) - before).clamp(0, own - 1)
    pictures = faces.pictures[:, :, nearest][:, :, :, nearest]
    transforms = faces.transforms * (own / side)
    transforms[:, :, 2] += before / side
    return replace(faces, pictures=pictures, transforms=transforms)


def load_faceness(path: Path, split: str) -> FacenessSet:
    """What `faceness` collected for one split."""
    packed = np.load(path)
    keep = packed["split"] == split
    points = widened(TEMPLATE, float(packed["view"]))[None].repeat(int(keep.sum()), axis=0)
    return FacenessSet(
        pictures=torch.from_numpy(packed["pictures"][keep]).unsqueeze(1),
        transforms=torch.from_numpy(fit_similarity(TEMPLATE, points)),
        kind=packed["kind"][keep],
    )


def sample(pictures: Tensor, transforms: Tensor, size: int) -> Tensor:
    """Warps N 1 S S pictures by N 2 3 transforms (unit squares) to N 1 size size in [-1, 1]; edges are continued."""
    steps = (torch.arange(size) + 0.5) / size
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    points = torch.stack([x, y, torch.ones_like(x)], dim=-1)  # size size 3
    grid = torch.einsum("nij,hwj->nhwi", transforms, points) * 2 - 1
    warped = F.grid_sample(pictures.float(), grid, mode="bilinear", padding_mode="border", align_corners=False)
    return warped / 127.5 - 1


def served_crops(faces: FaceSet | FacenessSet, rows: Tensor, size: int) -> np.ndarray:
    """Crops of `rows` as the exported network takes them: B size size 3 uint8."""
    grey = sample(faces.pictures[rows], faces.transforms[rows], size)
    crops = ((grey + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).expand(-1, -1, -1, 3)
    return crops.contiguous().numpy()
