"""Reads the FER+ folder, finds each face's landmarks with the product's own detector, and writes one compressed file.

python -m circumplex_training.prepare --data FOLDER_WITH_manifest.csv --detector ../models/detector --output ferplus.npz
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from circumplex_training.detector import Detector
from circumplex_training.labels import FERPLUS_COLUMNS

# A 48-pixel face is enlarged to this many pixels in the middle of the detector's 256: its sensible range.
FACE_PIXELS = 144
MINIMUM_SCORE = 0.3


def read_landmarks(detector: Detector, picture: np.ndarray) -> np.ndarray | None:
    """Right eye, left eye, mouth centre in pixels of the picture (S x S grey), or None where no face is found."""
    side = picture.shape[0]
    margin = (detector.size - FACE_PIXELS) // 2
    enlarged = np.asarray(Image.fromarray(picture).resize((FACE_PIXELS, FACE_PIXELS), Image.Resampling.BILINEAR))
    canvas = np.pad(enlarged, (margin, detector.size - FACE_PIXELS - margin), mode="edge")
    face = detector.best_face(np.repeat(canvas[:, :, None], 3, axis=2))
    if face is None or face.score < MINIMUM_SCORE:
        return None
    points = (face.landmarks[[0, 1, 3]] - margin) * side / FACE_PIXELS
    inside = np.all((points > -0.1 * side) & (points < 1.1 * side))
    return points.astype(np.float32) if inside else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--detector", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()

    detector = Detector(options.detector)
    with open(options.data / "manifest.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    pictures, votes, unknown, splits, landmarks, missing = [], [], [], [], [], []
    for row in tqdm(rows, mininterval=10):
        path = options.data / row["path"]
        if not path.exists():
            missing.append(row["path"])
            continue
        picture = np.asarray(Image.open(path).convert("L"))
        points = read_landmarks(detector, picture)
        pictures.append(picture)
        landmarks.append(np.full((3, 2), np.nan, np.float32) if points is None else points)
        votes.append([int(row[name]) for name in FERPLUS_COLUMNS])
        unknown.append(int(row["unknown"]))
        splits.append(row["split"])
    stacked = np.stack(landmarks)
    found = ~np.isnan(stacked[:, 0, 0])
    print(f"{len(rows)} rows, {len(missing)} files missing {missing[:5]}, landmarks found in {found.mean():.1%}")
    np.savez_compressed(
        options.output,
        pictures=np.stack(pictures),
        landmarks=stacked,
        votes=np.array(votes, np.uint8),
        unknown=np.array(unknown, np.uint8),
        split=np.array(splits),
    )


if __name__ == "__main__":
    main()
