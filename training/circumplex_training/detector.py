"""The product's default face detector (BlazeFace, `models/detector`) from Python."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image


@dataclass(frozen=True)
class Face:
    """`box` left, top, width, height and `landmarks` 6 x 2 (right eye, left eye, nose, mouth, right ear, left ear), in
    pixels of the picture that was looked at."""

    score: float
    box: np.ndarray
    landmarks: np.ndarray

    @property
    def alignment_points(self) -> np.ndarray:
        """Right eye, left eye, mouth centre: 3 x 2."""
        return self.landmarks[[0, 1, 3]]


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes (left, top, width, height)."""
    sides = np.minimum(a[:2] + a[2:], b[:2] + b[2:]) - np.maximum(a[:2], b[:2])
    if (sides <= 0).any():
        return 0.0
    shared = float(sides.prod())
    return shared / (float(a[2:].prod()) + float(b[2:].prod()) - shared)


class Detector:
    """Reads the same card and network as the server; `src/faces/blazeface.ts` decodes the same way."""

    def __init__(self, folder: Path) -> None:
        card = json.loads((folder / "card.json").read_text())
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(folder / card["file"]), options)
        self.input = card["input"]["name"]
        self.size: int = card["input"]["size"]
        self.max_overlap: float = card["thresholds"]["overlap"]
        self.anchors = np.concatenate([self._centres(**layer) for layer in card["anchors"]])

    def _centres(self, stride: int, perCell: int) -> np.ndarray:  # noqa: N803 (the card's name)
        cells = self.size // stride
        y, x = np.meshgrid(np.arange(cells), np.arange(cells), indexing="ij")
        return np.repeat((np.stack([x, y], axis=-1).reshape(-1, 2) + 0.5) * stride, perCell, axis=0)

    def _run(self, square: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`size` x `size` x 3 uint8 -> scores N, boxes N x 4 (left, top, width, height), points N x 6 x 2."""
        logits, numbers = self.session.run(["scores", "boxes"], {self.input: square[None]})
        scores = 1 / (1 + np.exp(-np.clip(logits[0].astype(np.float64), -50, 50)))
        numbers = numbers[0]
        centres, sides = numbers[:, :2] + self.anchors, numbers[:, 2:4]
        boxes = np.concatenate([centres - sides / 2, sides], axis=1)
        return scores, boxes, numbers[:, 4:].reshape(-1, 6, 2) + self.anchors[:, None, :]

    def best_face(self, picture: np.ndarray) -> Face | None:
        """The face with the best score of a `size` x `size` x 3 uint8 picture, blended with the boxes near it."""
        scores, boxes, points = self._run(picture)
        best = int(scores.argmax())
        if scores[best] < 0.1:
            return None
        near = np.abs(points - points[best]).max(axis=(1, 2)) < 0.15 * self.size
        weights = np.where(near & (scores > 0.5 * scores[best]), scores, 0)
        weights /= weights.sum()
        return Face(float(scores[best]), weights @ boxes, np.einsum("n,nkd->kd", weights, points))

    def faces(self, picture: np.ndarray, minimum_score: float) -> list[Face]:
        """All faces of an H x W x 3 uint8 picture, seen as a whole; overlapping boxes are blended, best first."""
        height, width = picture.shape[:2]
        scale = min(self.size / width, self.size / height)
        inner = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = np.asarray(Image.fromarray(picture).resize(inner, Image.Resampling.BILINEAR))
        left, top = (self.size - inner[0]) // 2, (self.size - inner[1]) // 2
        square = np.zeros((self.size, self.size, 3), np.uint8)
        square[top : top + inner[1], left : left + inner[0]] = small
        scores, boxes, points = self._run(square)
        keep = scores >= minimum_score
        corner = np.array([left, top])
        boxes = np.concatenate([boxes[keep, :2] - corner, boxes[keep, 2:]], axis=1) / scale
        scores, points = scores[keep], (points[keep] - corner) / scale
        found, open_rows = [], list(np.argsort(-scores))
        while open_rows:
            best = open_rows[0]
            same = [row for row in open_rows if row == best or overlap(boxes[row], boxes[best]) > self.max_overlap]
            weights = scores[same] / scores[same].sum()
            found.append(
                Face(float(scores[best]), weights @ boxes[same], np.einsum("n,nkd->kd", weights, points[same]))
            )
            open_rows = [row for row in open_rows if row not in same]
        return found
