"""What the two levels of attention of an exported model look at: a mask a depth over each face, and the weight of each
depth, as one PNG. `--mean` shows the mean of all faces in place of each, so that nobody can be recognised.

python -m circumplex_training.explain --model ../models/affect --detector ../models/detector \\
    --picture face.jpg --output attention.png
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from PIL import Image

from circumplex_training.alignment import align_face, grey
from circumplex_training.detector import Detector
from circumplex_training.served import ServedModel

SHOWN_SIDE = 144
LEAST_SCORE = 0.6
# How the exporter names what the two levels work out.
MASK, WEIGHTS = "/attentions.{depth}/Sigmoid_output_0", "/layers/Softmax_output_0"


@dataclass(frozen=True)
class Attention:
    """A mask h x w a depth (mean over channels, in (0, 1)); the depths' weights (mean over hops), which add up to 1."""

    masks: list[np.ndarray]
    weights: np.ndarray


class AttentionReader:
    """An exported model whose attention is among its outputs."""

    def __init__(self, model: ServedModel) -> None:
        graph = onnx.load(model.path)
        inner = {name for node in graph.graph.node for name in node.output}
        found = []
        for ending in [MASK.format(depth=depth) for depth in range(8)] + [WEIGHTS]:
            found += [name for name in inner if name.endswith(ending)]
        if not found or not found[-1].endswith(WEIGHTS):
            raise ValueError(f"{model.path} has no attention that can be shown")
        graph.graph.output.extend(
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in found
        )
        self.names, self.input = found, model.input
        self.session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])

    def read(self, crop: np.ndarray) -> Attention:
        """`crop` S x S x 3 uint8."""
        *masks, weights = self.session.run(self.names, {self.input: crop[None]})
        return Attention([mask[0].mean(axis=0) for mask in masks], weights[0].mean(axis=1))


def mean_of(some: list[Attention]) -> Attention:
    masks = [np.mean(group, axis=0) for group in zip(*(one.masks for one in some), strict=True)]
    return Attention(masks, np.mean([one.weights for one in some], axis=0))


def enlarged(picture: np.ndarray) -> np.ndarray:
    """h x w float32 -> SHOWN_SIDE x SHOWN_SIDE."""
    return np.asarray(Image.fromarray(picture.astype(np.float32)).resize((SHOWN_SIDE,) * 2, Image.Resampling.BICUBIC))


def overlay(grey: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A mask in red over the grey crop, scaled to its own range: S S and h w -> SHOWN_SIDE SHOWN_SIDE 3 uint8."""
    shown, large = enlarged(grey), enlarged(mask)
    strength = ((large - mask.min()) / max(1e-6, float(mask.max() - mask.min()))).clip(0, 1)
    rest = shown * (1 - 0.4 * strength)
    red = np.stack([shown + (255 - shown) * 0.6 * strength, rest, rest], axis=2)
    return np.clip(red, 0, 255).astype(np.uint8)


def row_of(crop: np.ndarray, attention: Attention) -> np.ndarray:
    """The crop S S 3 and an overlay a depth side by side."""
    shown = grey(crop)
    plain = overlay(shown, np.zeros((2, 2), np.float32))
    return np.concatenate([plain, *(overlay(shown, mask) for mask in attention.masks)], axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--detector", type=Path, required=True)
    parser.add_argument("--picture", type=Path, required=True, nargs="+", help="every face of each is shown")
    parser.add_argument("--mean", action="store_true", help="one row: the mean of all faces")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    model, detector = ServedModel(options.model), Detector(options.detector)
    reader = AttentionReader(model)
    seen: list[tuple[str, np.ndarray, Attention]] = []
    for path in options.picture:
        picture = np.asarray(Image.open(path).convert("RGB"))
        crops = [
            align_face(picture, face.alignment_points, model.template, model.size)
            for face in detector.faces(picture, LEAST_SCORE)
        ]
        faceness = model.read(np.stack(crops)).faceness if crops else np.zeros(0)
        kept = [crop for crop, share in zip(crops, faceness, strict=True) if share >= 0.5]
        print(f"{path.name}: {len(kept)} faces")
        seen += [(path.name, crop, reader.read(crop)) for crop in kept]
    if not seen:
        raise SystemExit("no picture has a face")
    if options.mean:
        crop = np.mean([crop for _, crop, _ in seen], axis=0)
        seen = [(f"mean of {len(seen)}", crop, mean_of([attention for _, _, attention in seen]))]
    for name, _, attention in seen:
        weights = ", ".join(f"{weight:.2f}" for weight in attention.weights)
        print(f"{name}: weights of the depths, fine to coarse: {weights}")
    Image.fromarray(np.concatenate([row_of(crop, attention) for _, crop, attention in seen])).save(
        options.output, optimize=True
    )


if __name__ == "__main__":
    main()
