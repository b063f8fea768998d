"""Exports a checkpoint to ONNX, checks it against PyTorch, evaluates it on `val` and writes its card.

python -m circumplex_training.export --run runs/first --faces ferplus.npz --output ../models/affect
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

from circumplex_training.alignment import mean_template
from circumplex_training.evaluate import evaluate_onnx
from circumplex_training.labels import CLASSES
from circumplex_training.network import CROP_SIZE, AffectNetwork, ServedNetwork

OPSET = 17
PARITY = 1e-4
INPUT = "crops"
OUTPUTS = ("affect", "expressions", "uncertainty")


def gradient_crop(size: int) -> np.ndarray:
    """The self-check's picture: pixel (y, x, channel c) is (2 x + y + 40 c) mod 256. 1 S S 3 uint8."""
    y, x, c = np.meshgrid(np.arange(size), np.arange(size), np.arange(3), indexing="ij")
    return ((2 * x + y + 40 * c) % 256).astype(np.uint8)[None]


def session(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--faces", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--version", default="0.1.0")
    options = parser.parse_args()

    saved = torch.load(options.run / "checkpoint.pt", map_location="cpu", weights_only=True)
    network = AffectNetwork()
    network.load_state_dict(saved["average"])
    served = ServedNetwork(network).eval()
    path = options.output / "model.onnx"
    options.output.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        served,
        (torch.zeros(2, CROP_SIZE, CROP_SIZE, 3, dtype=torch.uint8),),
        path,
        input_names=[INPUT],
        output_names=list(OUTPUTS),
        dynamic_axes={name: {0: "batch"} for name in (INPUT, *OUTPUTS)},
        opset_version=OPSET,
        dynamo=False,
    )
    onnx.checker.check_model(onnx.load(path))

    runtime = session(path)
    crops = np.random.default_rng(1).integers(0, 256, (5, CROP_SIZE, CROP_SIZE, 3), np.uint8)
    with torch.inference_mode():
        wanted = [part.numpy() for part in served(torch.from_numpy(crops))]
    got = runtime.run(list(OUTPUTS), {INPUT: crops})
    parity = max(float(np.abs(a - b).max()) for a, b in zip(wanted, got, strict=True))
    if parity > PARITY:
        raise SystemExit(f"ONNX differs from PyTorch by {parity}")

    check = runtime.run(list(OUTPUTS), {INPUT: gradient_crop(CROP_SIZE)})
    packed = np.load(options.faces)
    # The served crop lies where the product's own detector puts an average face of the training data.
    template = mean_template(packed["landmarks"][packed["split"] == "train"], packed["pictures"].shape[1])
    right_eye, left_eye, mouth = template.tolist()
    card = {
        "name": "circumplex-affect",
        "version": options.version,
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "licence": "MIT for the weights as far as they are ours; FER2013 pictures have unclear rights: research use",
        "input": {"name": INPUT, "type": "uint8", "layout": "NHWC", "size": CROP_SIZE, "channels": "RGB"},
        "outputs": {name: name for name in OUTPUTS},
        "classes": list(CLASSES),
        "template": {"rightEye": right_eye, "leftEye": left_eye, "mouthCentre": mouth},
        "selfCheck": {
            "input": "gradient",
            "affect": [round(float(v), 5) for v in check[0][0]],
            "expressions": [round(float(v), 5) for v in check[1][0]],
            "tolerance": 0.001,
        },
        "data": "FER+ votes (MIT) on FER2013 pictures, train split; valence and arousal are a proxy: the vote-weighted "
        "mean of AffectNet's class means",
        "epochs": saved["epoch"] + 1,
        "parameters": sum(p.numel() for p in network.parameters()),
        "parityWithPyTorch": float(f"{parity:.2g}"),
        "figures": evaluate_onnx(path, options.faces, template),
    }
    (options.output / "card.json").write_text(json.dumps(card, indent=2) + "\n")
    print(json.dumps(card["figures"], indent=2))


if __name__ == "__main__":
    main()
