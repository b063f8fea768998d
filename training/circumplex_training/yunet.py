"""YuNet, by path: a second opinion on what the default detector finds. Its file is not ours to distribute."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

STRIDES = (8, 16, 32)


class YuNet:
    """Boxes of faces; input BGR 0 to 255, sides multiples of 32, score sqrt(class * object)."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(path), options)
        self.input = self.session.get_inputs()[0].name

    def boxes(self, picture: np.ndarray, minimum_score: float, longer_side: int = 640) -> tuple[np.ndarray, np.ndarray]:
        """H W 3 uint8 RGB -> scores N, boxes N x 4 (left, top, width, height) in its pixels, not suppressed."""
        scale = longer_side / max(picture.shape[:2])
        height, width = (max(32, round(side * scale)) for side in picture.shape[:2])
        small = np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR))
        padded = np.zeros((-(-height // 32) * 32, -(-width // 32) * 32, 3), np.float32)
        padded[:height, :width] = small[:, :, ::-1]
        names = [f"{kind}_{stride}" for kind in ("cls", "obj", "bbox") for stride in STRIDES]
        outputs = dict(zip(names, self.session.run(names, {self.input: padded.transpose(2, 0, 1)[None]}), strict=True))
        scores, boxes = [], []
        for stride in STRIDES:
            rows, columns = padded.shape[0] // stride, padded.shape[1] // stride
            y, x = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
            cells = np.stack([x, y], axis=-1).reshape(-1, 2)
            product = outputs[f"cls_{stride}"].reshape(-1) * outputs[f"obj_{stride}"].reshape(-1)
            numbers = outputs[f"bbox_{stride}"].reshape(-1, 4)
            sides = np.exp(numbers[:, 2:]) * stride
            boxes.append(np.concatenate([(cells + numbers[:, :2]) * stride - sides / 2, sides], axis=1))
            scores.append(np.sqrt(np.clip(product, 0, 1)))
        score, box = np.concatenate(scores), np.concatenate(boxes) / scale
        keep = score >= minimum_score
        return score[keep], box[keep]
