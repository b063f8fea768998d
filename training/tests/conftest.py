"""Small sets in the formats that are read, made of drawn faces: no picture of a person is stored here."""

from __future__ import annotations

import csv
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

# These read or train a network. Without PyTorch the others still run: `npm run test:python`.
NEED_TORCH = ["test_data.py", "test_end_to_end.py", "test_losses.py", "test_network.py", "test_warm_start.py"]
collect_ignore = [] if find_spec("torch") else NEED_TORCH

REPOSITORY = Path(__file__).resolve().parents[2]
SIDE = 224


def pytest_report_header() -> str:
    return f"left out, no PyTorch here: {', '.join(collect_ignore)}" if collect_ignore else "with PyTorch"


def drawn_face(seed: int) -> tuple[Image.Image, np.ndarray]:
    """A cartoon and its 68 points (eyes and mouth where the groups of `prepare` look for them)."""
    random = np.random.default_rng(seed)
    picture = Image.new("RGB", (SIDE, SIDE), tuple(random.integers(0, 120, 3).tolist()))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((40, 20, 184, 210), fill=(224, 180, 150))
    for x in (82, 142):
        draw.ellipse((x - 12, 82, x + 12, 98), fill="white", outline="black")
        draw.ellipse((x - 5, 84, x + 5, 96), fill="black")
    bend = float(random.uniform(-14, 14))
    draw.line((82, 165, 112, 165 + bend, 142, 165), fill=(150, 30, 30), width=6)
    points = np.full((68, 2), 112.0)
    points[36:42], points[42:48], points[48:68] = (82, 90), (142, 90), (112, 165)
    return picture, points


@pytest.fixture(scope="session")
def detector_folder() -> Path:
    return REPOSITORY / "models" / "detector"


@pytest.fixture(scope="session")
def affectnet_annotations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The newer release: train_set and val_set with images and annotations; two bad rows in train_set."""
    root = tmp_path_factory.mktemp("affectnet-annotations")
    for split, count in (("train_set", 20), ("val_set", 8)):
        (root / split / "images").mkdir(parents=True)
        (root / split / "annotations").mkdir()
        for number in range(count):
            picture, points = drawn_face(number)
            picture.save(root / split / "images" / f"{number}.jpg")
            _annotate(root / split / "annotations", number, number % 8, 0.8 - 0.1 * (number % 8), 0.05 * number, points)
    bad = root / "train_set" / "annotations"
    _annotate(bad, 100, 1, 0.5, 0.5, np.zeros((68, 2)))  # no such picture
    drawn_face(1)[0].save(root / "train_set" / "images" / "101.jpg")
    _annotate(bad, 101, 9, -2.0, -2.0, np.zeros((68, 2)))  # "uncertain"
    return root


def _annotate(folder: Path, number: int, code: int, valence: float, arousal: float, points: np.ndarray) -> None:
    # The release stores strings for exp, val and aro.
    for kind, value in (("exp", str(code)), ("val", str(valence)), ("aro", str(arousal))):
        np.save(folder / f"{number}_{kind}.npy", np.array(value))
    np.save(folder / f"{number}_lnd.npy", points.reshape(-1))


@pytest.fixture(scope="session")
def affectnet_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first release: training.csv, validation.csv and a folder of pictures; a bad row of each kind in training."""
    root = tmp_path_factory.mktemp("affectnet-csv")
    pictures = root / "Manually_Annotated_Images"
    header = ["subDirectory_filePath", "face_x", "face_y", "face_width", "face_height", "facial_landmarks",
              "expression", "valence", "arousal"]  # fmt: skip
    for name, count, base in (("training", 20, 0), ("validation", 8, 50)):
        rows = []
        for number in range(count):
            picture, points = drawn_face(base + number)
            path = pictures / str(number % 3) / f"{base + number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture.save(path)
            marks = ";".join(f"{value:.1f}" for value in points.reshape(-1))
            rows.append(
                [path.relative_to(pictures), 40, 20, 144, 190, marks, number % 8, 0.8 - 0.1 * (number % 8), 0.3]
            )
        if name == "training":
            kept = rows[0][0]
            rows += [
                ["0/missing.jpg", 40, 20, 144, 190, "", 1, 0.5, 0.5],
                [kept, 40, 20, 144, 190, "", 10, -2, -2],
                [kept, 150, 20, 144, 190, "", 1, 0.5, 0.5],
                [kept, 40, 20, 144, 190, "", 1, 3.0, 0.5],
                [kept, "x", 20, 144, 190, "", 1, 0.5, 0.5],
            ]
        with open(root / f"{name}.csv", "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(header)
            writer.writerows(rows)
    return root


@pytest.fixture(scope="session")
def photographs() -> list[Path]:
    """Real faces that a development dependency of the server brings along; none where it is not installed."""
    folder = REPOSITORY / "node_modules" / "@vladmandic" / "face-api" / "demo"
    found = sorted(folder.glob("sample*.jpg"))
    if not found:
        pytest.skip("needs npm ci: @vladmandic/face-api has the photographs")
    return found
