"""Soft labels for faces that come with one noisy label each: what trained models say of the face and of its mirror
image, the mean of them (a student of its own, after Noisy Student, Xie et al. 2020), and where they agree with the
label, half of it. `train --more` takes what this writes beside a set with votes. Pictures that measure faceness are
left out.

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

# Why these: docs/decisions/0021.
TRUST, AGREED = 0.5, 0.7


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


def estimate(views: np.ndarray, models: list[ServedModel]) -> np.ndarray:
    """Expression probabilities N 8, the mean over the models, each face and its mirror image."""
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
        said = []
        for model in models:
            crops = served_crops(faces, rows, model.size)
            mirrored = np.ascontiguousarray(crops[:, :, ::-1])
            said += [model.read(crops).expressions, model.read(mirrored).expressions]
        answers.append(np.mean(said, axis=0))
    return np.concatenate(answers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with manifest.csv: path, expression")
    parser.add_argument("--detector", type=Path, required=True)
    parser.add_argument(
        "--model", type=Path, required=True, nargs="+", help="folders of the exported models that estimate"
    )
    parser.add_argument(
        "--faces-limit", type=int, default=FACES_LIMIT, help="what faceness was given; 0 where it has no --faces"
    )
    parser.add_argument("--trust", type=float, default=TRUST, help="weight of a label that the models agree with")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    rejected = Rejected()
    views, label = collect(options.data, Detector(options.detector), options.faces_limit, rejected)
    models = [ServedModel(folder) for folder in options.model]
    shares, agrees = relabelled(estimate(views, models), label, options.trust, AGREED)
    for line in rejected.lines():
        print(line)
    print(
        f"{len(views)} faces; the models agree with the labels of {int(agrees.sum())}: they give them {AGREED} or more"
    )
    for index, name in enumerate(CLASSES):
        chosen = label == index
        if chosen.any():
            valence = affect_proxy(shares[chosen])[:, 0].mean()
            print(f"{name}: {chosen.sum()}, agreed with {agrees[chosen].sum()}, mean valence {valence:.2f}")
    np.savez_compressed(
        options.output,
        pictures=views,
        landmarks=np.repeat((widened(TEMPLATE, VIEW) * SIDE)[None], len(views), axis=0).astype(np.float32),
        shares=shares.astype(np.float32),
        split=np.full(len(views), "train"),
    )


if __name__ == "__main__":
    main()
