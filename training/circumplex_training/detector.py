"""The product's default face detector (BlazeFace, `models/detector`) from Python: one picture in, its best face out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime


@dataclass(frozen=True)
class Face:
    """`landmarks` 6 x 2 in pixels of the detector's square: right eye, left eye, nose, mouth, right ear, left ear."""

    score: float
    landmarks: np.ndarray


class Detector:
    """Reads the same card and network as the server; `src/faces/blazeface.ts` decodes the same way."""

    def __init__(self, folder: Path) -> None:
        card = json.loads((folder / "card.json").read_text())
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(folder / card["file"]), options)
        self.input = card["input"]["name"]
        self.size: int = card["input"]["size"]
        self.anchors = np.concatenate([self._centres(**layer) for layer in card["anchors"]])

    def _centres(self, stride: int, perCell: int) -> np.ndarray:  # noqa: N803 (the card's name)
        cells = self.size // stride
        y, x = np.meshgrid(np.arange(cells), np.arange(cells), indexing="ij")
        return np.repeat((np.stack([x, y], axis=-1).reshape(-1, 2) + 0.5) * stride, perCell, axis=0)

    def best_face(self, picture: np.ndarray) -> Face | None:
        """The face with the best score of a `size` x `size` x 3 uint8 picture, blended with the boxes near it."""
        scores, boxes = self.session.run(["scores", "boxes"], {self.input: picture[None]})
        score = 1 / (1 + np.exp(-scores[0].astype(np.float64)))
        best = int(score.argmax())
        if score[best] < 0.1:
            return None
        points = boxes[0][:, 4:].reshape(-1, 6, 2) + self.anchors[:, None, :]
        near = np.abs(points - points[best]).max(axis=(1, 2)) < 0.15 * self.size
        weights = np.where(near & (score > 0.5 * score[best]), score, 0)
        return Face(float(score[best]), (points * weights[:, None, None]).sum(axis=0) / weights.sum())
