"""The crop: the similarity, and the same pixels as the server's."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import pytest

from circumplex_training.alignment import TEMPLATE, align_face, fit_similarity, mean_template, widened


def turned(points: np.ndarray, degrees: float, scale: float, shift: tuple[float, float]) -> np.ndarray:
    angle = np.deg2rad(degrees)
    matrix = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return points @ matrix.T + np.array(shift)


def test_finds_the_rotation_scale_and_shift_back() -> None:
    points = turned(TEMPLATE, 25, 80, (12, -3))
    found = fit_similarity(TEMPLATE[None], points[None])[0]
    assert TEMPLATE @ found[:, :2].T + found[:, 2] == pytest.approx(points, abs=1e-4)


def test_never_mirrors() -> None:
    mirrored = TEMPLATE * np.array([-1, 1])
    found = fit_similarity(TEMPLATE[None], mirrored[None])[0]
    assert np.linalg.det(found[:, :2]) > 0


def test_mean_template_is_symmetric_and_leaves_out_missing_faces() -> None:
    landmarks = np.stack([TEMPLATE * 48, np.full((3, 2), np.nan)])
    assert mean_template(landmarks, 48) == pytest.approx(TEMPLATE, abs=1e-3)


def test_a_face_on_the_template_is_copied() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (48, 48, 3), np.uint8)
    assert (align_face(picture, TEMPLATE * 48, TEMPLATE, 48) == picture).all()


def test_shrinking_takes_the_mean_of_the_covered_pixels() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (96, 96, 3), np.uint8)
    mean = picture.reshape(48, 2, 48, 2, 3).mean(axis=(1, 3))
    assert np.abs(align_face(picture, TEMPLATE * 96, TEMPLATE, 48) - mean).max() <= 0.51


def test_outside_the_picture_its_edge_goes_on() -> None:
    picture = np.full((40, 40, 3), 77, np.uint8)
    assert (align_face(picture, TEMPLATE * 40 - 30, TEMPLATE, 48) == 77).all()


def test_the_middle_of_a_wider_crop_is_the_crop() -> None:
    picture = np.random.default_rng(2).integers(0, 256, (200, 200, 3), np.uint8)
    points = turned(TEMPLATE, 10, 90, (40, 50))
    wide = align_face(picture, points, widened(TEMPLATE, 1.5), 72)
    assert np.abs(wide[12:60, 12:60].astype(int) - align_face(picture, points, TEMPLATE, 48)).max() <= 1


def made_picture(width: int, height: int) -> np.ndarray:
    """Known to both languages: channel c of pixel (x, y) is (7 x + 13 y + 50 c + x y) mod 256."""
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    return ((7 * x + 13 * y + 50 * c + x * y) % 256).astype(np.uint8)


FIXTURE = json.loads((Path(__file__).parent / "fixtures" / "crop-parity.json").read_text())


@pytest.mark.parametrize("case", FIXTURE["cases"], ids=lambda case: case["about"])
def test_crops_are_those_of_the_server(case: dict) -> None:
    def points(given: dict) -> np.ndarray:
        return np.array([[given[name]["x"], given[name]["y"]] for name in ("rightEye", "leftEye", "mouthCentre")])

    width, height, size = case["width"], case["height"], FIXTURE["sizePixels"]
    in_picture = points(case["landmarks"]) * np.array([width, height])
    crop = align_face(made_picture(width, height), in_picture, points(FIXTURE["template"]), size)
    wanted = np.frombuffer(base64.b64decode(case["crop"]), np.uint8).reshape(size, size, 3)
    # Single precision here, double there: a sample on the border of two pixels may fall to the other.
    assert np.abs(crop.astype(int) - wanted).max() <= 1
