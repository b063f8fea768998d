"""Exports a checkpoint to ONNX, checks it against PyTorch, evaluates it on `val` and writes its card.

python -m circumplex_training.export --run runs/first --faces ferplus.npz --output ../models/affect --version 0.2.0
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

from circumplex_training.alignment import TEMPLATE
from circumplex_training.data import load_faces
from circumplex_training.evaluate import run, summary
from circumplex_training.labels import CLASSES
from circumplex_training.network import CROP_SIZE, AffectNetwork, ServedNetwork
from circumplex_training.served import OUTPUTS, ServedModel

OPSET = 17
PARITY = 1e-4
INPUT = "crops"
MAX_BYTES = 12_000_000
DATA_NOTE = (
    "FER+ votes (MIT) on FER2013 pictures, train split; faces of LFW with noisy labels; for faceness also photographs "
    "of COCO (wrong boxes, backgrounds, faces)"
)
LICENCE = "MIT for the weights as far as they are ours; FER2013 pictures have unclear rights: research use"
PROXY_NOTE = "valence and arousal are a proxy: the vote-weighted mean of AffectNet's class means"


def gradient_crop(size: int) -> np.ndarray:
    """The self-check's picture: pixel (y, x, channel c) is (2 x + y + 40 c) mod 256. 1 S S 3 uint8."""
    y, x, c = np.meshgrid(np.arange(size), np.arange(size), np.arange(3), indexing="ij")
    return ((2 * x + y + 40 * c) % 256).astype(np.uint8)[None]


def load_network(checkpoint: Path) -> tuple[AffectNetwork, dict]:
    """The averaged weights of a checkpoint, ready to be read from, and what else it holds."""
    saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
    network = AffectNetwork()
    network.load_state_dict(saved["average"])
    return network.eval(), saved


def write_onnx(network: AffectNetwork, path: Path, size: int = CROP_SIZE) -> float:
    """Writes the served network for crops of `size` pixels and returns how far it is from PyTorch at most."""
    served = ServedNetwork(network).eval()
    torch.onnx.export(
        served,
        (torch.zeros(2, size, size, 3, dtype=torch.uint8),),
        path,
        input_names=[INPUT],
        output_names=list(OUTPUTS),
        dynamic_axes={name: {0: "batch"} for name in (INPUT, *OUTPUTS)},
        opset_version=OPSET,
        dynamo=False,
    )
    onnx.checker.check_model(onnx.load(path))
    runtime = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    crops = np.random.default_rng(1).integers(0, 256, (5, size, size, 3), np.uint8)
    with torch.inference_mode():
        wanted = [part.numpy() for part in served(torch.from_numpy(crops))]
    got = runtime.run(list(OUTPUTS), {INPUT: crops})
    return max(float(np.abs(a - b).max()) for a, b in zip(wanted, got, strict=True))


def make_card(
    path: Path,
    *,
    version: str,
    data: str,
    epochs: int,
    parameters: int,
    parity: float,
    licence: str = LICENCE,
    size: int = CROP_SIZE,
    faceness: bool = True,
) -> dict[str, object]:
    """The card without figures; the self-check's answer is what onnxruntime gives here. Without `faceness` the card
    does not name that output, and the server takes every crop for a face."""
    runtime = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    check = runtime.run(list(OUTPUTS), {INPUT: gradient_crop(size)})
    right_eye, left_eye, mouth = TEMPLATE.tolist()
    outputs = OUTPUTS if faceness else OUTPUTS[:-1]
    return {
        "name": "circumplex-affect",
        "version": version,
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "licence": licence,
        "input": {"name": INPUT, "type": "uint8", "layout": "NHWC", "size": size, "channels": "RGB"},
        "outputs": {name: name for name in outputs},
        "classes": list(CLASSES),
        "template": {"rightEye": right_eye, "leftEye": left_eye, "mouthCentre": mouth},
        "selfCheck": {
            "input": "gradient",
            "affect": [round(float(v), 5) for v in check[0][0]],
            "expressions": [round(float(v), 5) for v in check[1][0]],
            "uncertainty": round(float(check[2][0]), 5),
            **({"faceness": round(float(check[3][0]), 5)} if faceness else {}),
            "tolerance": 0.001,
        },
        "data": data,
        "epochs": epochs,
        "parameters": parameters,
        "bytes": path.stat().st_size,
        "parityWithPyTorch": float(f"{parity:.2g}"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--checkpoint", default="checkpoint.pt", help="the last one, or best.pt: the best on val")
    parser.add_argument("--faces", type=Path, required=True, help="file that prepare wrote; val gives the figures")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("--set-name", default="FER+ val")
    parser.add_argument(
        "--data-note", default=DATA_NOTE, help="default: what the model of this repository learned from"
    )
    parser.add_argument("--licence", default=LICENCE, help="of the weights; must be given with --data-note")
    options = parser.parse_args()
    if options.data_note != DATA_NOTE and options.licence == LICENCE:
        parser.error("--data-note needs --licence: what the rights in that data leave of the weights")

    faces = load_faces(options.faces, "val")
    if not faces.is_proxy and options.data_note == DATA_NOTE:
        parser.error("this set is not FER+: say with --set-name, --data-note and --licence what it is")
    network, saved = load_network(options.run / options.checkpoint)
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / "model.onnx"
    parity = write_onnx(network, path)
    if parity > PARITY:
        raise SystemExit(f"ONNX differs from PyTorch by {parity}")
    if path.stat().st_size > MAX_BYTES:
        raise SystemExit(f"{path} has {path.stat().st_size} bytes, allowed are {MAX_BYTES}")
    card = make_card(
        path,
        version=options.version,
        data=f"{options.data_note}; {PROXY_NOTE}" if faces.is_proxy else options.data_note,
        epochs=saved["epoch"],
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        parity=parity,
        licence=options.licence,
        faceness=saved.get("faceness", True),
    )
    if "faceness" not in card["outputs"]:
        print("trained without --faceness: the card names no such output, and the server takes every crop for a face")
    card_path = options.output / "card.json"
    card_path.write_text(json.dumps(card, indent=2) + "\n")
    card["figures"] = summary(run(ServedModel(options.output), faces), options.set_name)
    card_path.write_text(json.dumps(card, indent=2) + "\n")
    print(json.dumps(card["figures"], indent=2))


if __name__ == "__main__":
    main()
