"""An int8 variant of an exported model (static QDQ, a scale per channel, calibrated on `train`), measured beside fp32.

python -m circumplex_training.quantize --model ../models/affect --faces ferplus.npz --output int8
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import torch
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from circumplex_training.data import load_faces, served_crops
from circumplex_training.evaluate import run, summary
from circumplex_training.export import make_card
from circumplex_training.served import ServedModel, processor

CALIBRATION_FACES = 512
BATCH = 32
# Of the self-check: on another processor a value between two of the 256 steps may be rounded the other way.
TOLERANCE = 0.02


class FaceReader(CalibrationDataReader):
    """Batches of served crops."""

    def __init__(self, name: str, crops: np.ndarray) -> None:
        self.name = name
        self.batches: Iterator[np.ndarray] = iter(np.split(crops, range(BATCH, len(crops), BATCH)))

    def get_next(self) -> dict[str, np.ndarray] | None:
        batch = next(self.batches, None)
        return None if batch is None else {self.name: batch}


def convolutions(path: Path) -> list[str]:
    """Names of all convolutions but the first, which reads one channel: 8 bits pay there. The LSTM and the products of
    the heads are small, and would lose accuracy for nothing."""
    graph = onnx.load(path).graph
    names = [node.name for node in graph.node if node.op_type == "Conv"]
    return names[1:]


def quantize(model: ServedModel, crops: np.ndarray, output: Path) -> None:
    """Writes `output`, calibrated on N S S 3 uint8 crops."""
    with tempfile.TemporaryDirectory() as scratch:
        ready = Path(scratch) / "ready.onnx"
        quant_pre_process(str(model.path), str(ready), skip_symbolic_shape=True)
        quantize_static(
            str(ready),
            str(output),
            FaceReader(model.input, crops),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.Percentile,
            nodes_to_quantize=convolutions(ready),
            extra_options={"CalibPercentile": 99.995, "ActivationSymmetric": False},
        )


def write_card(folder: Path, card: dict[str, object]) -> None:
    (folder / "card.json").write_text(json.dumps(card, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--faces", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True, help="folder of the variant: model, card, figures")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    model = ServedModel(options.model)
    train, val = (load_faces(options.faces, split) for split in ("train", "val"))
    rows = torch.from_numpy(np.random.default_rng(1).choice(len(train), min(CALIBRATION_FACES, len(train)), False))
    path = options.output / "model.onnx"
    quantize(model, served_crops(train, rows, model.size), path)
    given = json.loads((options.model / "card.json").read_text())
    own = make_card(
        path,
        version=f"{given['version']}-int8",
        data=given["data"],
        licence=given["licence"],
        epochs=given["epochs"],
        parameters=given["parameters"],
        parity=0.0,
        faceness="faceness" in given["outputs"],
    )
    card = {name: value for name, value in {**given, **own}.items() if name not in ("figures", "parityWithPyTorch")}
    card["selfCheck"] = {**own["selfCheck"], "tolerance": TOLERANCE}
    write_card(options.output, card)
    small = ServedModel(options.output)
    figures: dict[str, object] = {"processor": processor()}
    # Alternately, so that what else the machine does meets both.
    speeds = {"fp32": (0.0, 0.0), "int8": (0.0, 0.0)}
    for _ in range(5):
        for name, some in (("fp32", model), ("int8", small)):
            speeds[name] = tuple(np.maximum(speeds[name], some.faces_a_second()).tolist())
    set_name = given.get("figures", {}).get("set", "val")
    results = {name: run(some, val) for name, some in (("fp32", model), ("int8", small))}
    for name, some in (("fp32", model), ("int8", small)):
        best, median = speeds[name]
        figures[name] = {
            **summary(results[name], set_name),
            "bytes": some.path.stat().st_size,
            "sha256": hashlib.sha256(some.path.read_bytes()).hexdigest(),
            "facesASecondBest": round(best),
            "facesASecondMedian": round(median),
        }
    gain = figures["int8"]["facesASecondBest"] / figures["fp32"]["facesASecondBest"]
    loss = figures["fp32"].get("majorityAccuracy", 0) - figures["int8"].get("majorityAccuracy", 0)
    difference = np.abs(results["int8"].answers.affect - results["fp32"].answers.affect)
    figures["int8AgainstFp32"] = {
        "timesAsFast": round(gain, 2),
        "accuracyLostPoints": round(100 * loss, 2),
        "affectDifference": {"mean": round(float(difference.mean()), 5), "most": round(float(difference.max()), 4)},
    }
    (options.output / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")
    measured = {name: value for name, value in figures["int8"].items() if name not in ("bytes", "sha256")}
    write_card(options.output, {**card, "figures": {**measured, **figures["int8AgainstFp32"]}})
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
