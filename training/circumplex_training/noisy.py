"""Soft labels for faces that come with one noisy label each: a quarter the label, the rest what a trained model says of
the face and of its mirror image (a student of its own, after Noisy Student, Xie et al. 2020). `train --more` takes what
this writes beside a set with votes. A face whose label the model all but rules out is left out, and so is every picture
that measures faceness.

python -m circumplex_training.noisy --data FOLDER_WITH_manifest.csv --detector ../models/detector \\
    --model ../models/affect --output more.npz
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from circumplex_training.alignment import SIDE, TEMPLATE, VIEW, fit_similarity, widened
from circumplex_training.data import FaceSet, served_crops
from circumplex_training.detector import Detector
from circumplex_training.faceness import FACES_LIMIT, is_held_back, natural_faces, natural_view
from circumplex_training.labels import CLASSES, affect_proxy, relabelled
from circumplex_training.readers import Rejected
from circumplex_training.served import ServedModel

# Why a quarter: docs/decisions/0020.
TRUST, LEAST = 0.25, 0.03


def labelled_paths(folder: Path, faces_limit: int, rejected: Rejected) -> list[tuple[str, int]]:
    """Path and class number of a manifest's rows (columns `path`, `expression`) that do not measure faceness."""
    natural = natural_faces(folder, faces_limit) if faces_limit else []
    measuring = {path for path in natural if is_held_back(Path(path))}
    rows = []
    with open(folder / "manifest.csv", newline="") as file:
        for row in csv.DictReader(file):
            label = (row["expression"] or "").upper()
            if label not in CLASSES:
                rejected.add("no expression", row["path"])
            elif row["path"] not in measuring:
                rows.append((row["path"], CLASSES.index(label)))
    return rows


def collect(folder: Path, detector: Detector, faces_limit: int, rejected: Rejected) -> tuple[np.ndarray, np.ndarray]:
    """Views N SIDE SIDE and class numbers N of the faces that the detector is sure of."""
    views, labels = [], []
    for path, label in tqdm(labelled_paths(folder, faces_limit, rejected), mininterval=10):
        try:
            found = natural_view(folder / path, detector)
        except OSError:
            rejected.add("unreadable picture", path)
            continue
        if found is None:
            rejected.add("no face found", path)
            continue
        views.append(found)
        labels.append(label)
    if not views:
        raise SystemExit("no usable row is left: " + "; ".join(rejected.lines()))
    return np.stack(views), np.array(labels)


def estimate(views: np.ndarray, model: ServedModel) -> np.ndarray:
    """Expression probabilities N 8, the mean over each face and its mirror image."""
    count = len(views)
    points = widened(TEMPLATE, VIEW)[None].repeat(count, axis=0)
    nothing = torch.full((count, 8), float("nan"))
    faces = FaceSet(
        torch.from_numpy(views).unsqueeze(1),
        torch.from_numpy(fit_similarity(TEMPLATE, points)),
        nothing,
        nothing[:, :2],
        nothing[:, 0],
        is_proxy=True,
    )
    answers = []
    for rows in tqdm(torch.arange(count).split(256), mininterval=10):
        crops = served_crops(faces, rows, model.size)
        mirrored = np.ascontiguousarray(crops[:, :, ::-1])
        answers.append((model.read(crops).expressions + model.read(mirrored).expressions) / 2)
    return np.concatenate(answers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with manifest.csv: path, expression")
    parser.add_argument("--detector", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True, help="folder of the exported model that estimates")
    parser.add_argument(
        "--faces-limit", type=int, default=FACES_LIMIT, help="what faceness was given; 0 where it has no --faces"
    )
    parser.add_argument("--trust", type=float, default=TRUST, help="weight of the given label, 0 to 1")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    rejected = Rejected()
    views, label = collect(options.data, Detector(options.detector), options.faces_limit, rejected)
    shares, keep = relabelled(estimate(views, ServedModel(options.model)), label, options.trust, LEAST)
    for line in rejected.lines():
        print(line)
    print(f"{len(views)} faces, {int(keep.sum())} kept: their label has an estimate of {LEAST} or more")
    for index, name in enumerate(CLASSES):
        chosen = keep & (label == index)
        if chosen.any():
            valence = affect_proxy(shares[chosen])[:, 0].mean()
            print(f"{name}: {chosen.sum()}, {(~keep & (label == index)).sum()} left out, mean valence {valence:.2f}")
    np.savez_compressed(
        options.output,
        pictures=views[keep],
        landmarks=np.repeat((widened(TEMPLATE, VIEW) * SIDE)[None], int(keep.sum()), axis=0).astype(np.float32),
        shares=shares[keep].astype(np.float32),
        split=np.full(int(keep.sum()), "train"),
    )


if __name__ == "__main__":
    main()
