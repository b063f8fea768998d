"""Figures of an exported model on FER+ `val`, through onnxruntime and the crops as served.

python -m circumplex_training.evaluate --model ../models/affect --faces ferplus.npz
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from circumplex_training.data import load_faces, sample
from circumplex_training.labels import CLASSES
from circumplex_training.losses import concordance
from circumplex_training.network import CROP_SIZE


def evaluate_onnx(model: Path, faces_path: Path, template: np.ndarray, split: str = "val") -> dict[str, object]:
    """Majority accuracy (with the number of pictures), recall of each class, proxy concordance and RMSE."""
    faces = load_faces(faces_path, split, template)
    runtime = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    affects, predictions = [], []
    for rows in torch.arange(len(faces)).split(64):
        grey = sample(faces.pictures[rows], faces.transforms[rows], CROP_SIZE)
        crops = ((grey + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).expand(-1, -1, -1, 3)
        affect, expressions = runtime.run(["affect", "expressions"], {"crops": crops.contiguous().numpy()})
        affects.append(affect)
        predictions.append(expressions.argmax(axis=1))
    affect, predicted = torch.from_numpy(np.concatenate(affects)), np.concatenate(predictions)
    majority = faces.majority.numpy()
    clear, voted = majority >= 0, faces.shares.sum(dim=1) > 0
    ccc = concordance(affect[voted], faces.affect[voted]).tolist()
    rmse = ((affect[voted] - faces.affect[voted]) ** 2).mean(dim=0).sqrt().tolist()
    recall = {
        name: round(float((predicted[majority == index] == index).mean()), 3)
        for index, name in enumerate(CLASSES)
        if (majority == index).any()
    }
    return {
        "set": f"FER+ {split}",
        "majorityAccuracy": round(float((predicted[clear] == majority[clear]).mean()), 4),
        "majorityPictures": int(clear.sum()),
        "recall": recall,
        "proxyCcc": {"valence": round(ccc[0], 4), "arousal": round(ccc[1], 4)},
        "proxyRmse": {"valence": round(rmse[0], 4), "arousal": round(rmse[1], 4)},
        "proxyPictures": int(voted.sum()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="folder with model.onnx and card.json")
    parser.add_argument("--faces", type=Path, required=True)
    options = parser.parse_args()
    card = json.loads((options.model / "card.json").read_text())
    template = np.array([card["template"][name] for name in ("rightEye", "leftEye", "mouthCentre")])
    print(json.dumps(evaluate_onnx(options.model / card["file"], options.faces, template), indent=2))


if __name__ == "__main__":
    main()
