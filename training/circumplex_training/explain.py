"""What the two levels of attention look at: a mask a depth over the face, and the weight of each depth, as one PNG.

python -m circumplex_training.explain --checkpoint runs/first/best.pt --detector ../models/detector \\
    --picture face.jpg --output attention.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from circumplex_training.alignment import TEMPLATE, align_face
from circumplex_training.check import largest_face
from circumplex_training.detector import Detector
from circumplex_training.export import load_network
from circumplex_training.network import CROP_SIZE, AffectNetwork

SHOWN_SIDE = 144


def attention(network: AffectNetwork, grey: Tensor) -> tuple[list[Tensor], Tensor]:
    """`grey` 1 1 S S in [-1, 1] -> a mask h w a depth (mean over channels, in (0, 1)), the depths' weights T (mean over
    hops)."""
    masks: list[Tensor] = []
    weights: list[Tensor] = []
    hooks = [
        module.register_forward_pre_hook(lambda module, inputs: masks.append(module.mask(inputs[0]).mean(dim=1)[0]))
        for module in network.attentions
    ]
    hooks.append(
        network.layers.lstm.register_forward_hook(
            lambda module, inputs, outputs: weights.append(network.layers.weights(outputs[0])[0].mean(dim=1))
        )
    )
    try:
        with torch.inference_mode():
            network(grey)
    finally:
        for hook in hooks:
            hook.remove()
    return masks, weights[0]


def overlay(crop: np.ndarray, mask: Tensor) -> np.ndarray:
    """A mask in red over the grey crop, scaled to its own range: S S 3 uint8 -> SHOWN_SIDE SHOWN_SIDE 3 uint8."""
    side = (SHOWN_SIDE, SHOWN_SIDE)
    shown = np.asarray(Image.fromarray(crop).convert("L").resize(side, Image.Resampling.BICUBIC), np.float32)
    large = F.interpolate(mask[None, None], size=side, mode="bilinear", align_corners=False)[0, 0].numpy()
    strength = (large - large.min()) / max(1e-6, float(large.max() - large.min()))
    rest = shown * (1 - 0.4 * strength)
    red = np.stack([shown + (255 - shown) * 0.6 * strength, rest, rest], axis=2)
    return np.clip(red, 0, 255).astype(np.uint8)


def explain(network: AffectNetwork, crop: np.ndarray) -> tuple[np.ndarray, list[float]]:
    """`crop` S S 3 uint8 -> the crop and an overlay a depth side by side, and the depths' weights."""
    luma = crop.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    masks, weights = attention(network, torch.from_numpy(luma)[None, None] / 127.5 - 1)
    plain = overlay(crop, torch.zeros(2, 2))
    return np.concatenate([plain, *(overlay(crop, mask) for mask in masks)], axis=1), weights.tolist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--detector", type=Path, required=True)
    parser.add_argument("--picture", type=Path, required=True, action="append", help="may be given more than once")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    network, _ = load_network(options.checkpoint)
    detector, rows = Detector(options.detector), []
    for path in options.picture:
        picture = np.asarray(Image.open(path).convert("RGB"))
        face = largest_face(detector, picture)
        if face is None:
            print(f"{path.name}: no face found")
            continue
        row, weights = explain(network, align_face(picture, face.alignment_points, TEMPLATE, CROP_SIZE))
        rows.append(row)
        print(f"{path.name}: weights of the depths, fine to coarse: {', '.join(f'{weight:.2f}' for weight in weights)}")
    if not rows:
        raise SystemExit("no picture has a face")
    Image.fromarray(np.concatenate(rows)).save(options.output, optimize=True)


if __name__ == "__main__":
    main()
