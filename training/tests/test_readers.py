"""The formats that are read, and their bad rows."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from circumplex_training.prepare import prepare
from circumplex_training.readers import Rejected, names_its_splits, read_examples


def test_reads_annotations_of_both_splits(affectnet_annotations: Path) -> None:
    rejected = Rejected()
    examples = read_examples(affectnet_annotations, rejected)
    assert [sum(example.split == split for example in examples) for split in ("train", "val")] == [20, 8]
    assert rejected.names == {"missing file": ["100.jpg"], "no valence and arousal": ["101.jpg"]}
    first = next(example for example in examples if example.path.name == "3.jpg" and example.split == "val")
    assert first.expression == 3
    assert first.affect == pytest.approx((0.5, 0.15))
    assert first.landmarks is not None and first.landmarks[40] == pytest.approx([82, 90])


def test_reads_the_csv_release_and_names_its_bad_rows(
    affectnet_csv: Path, detector_folder: Path, tmp_path: Path
) -> None:
    rejected = prepare(affectnet_csv, detector_folder, tmp_path / "faces.npz")
    assert {reason: len(names) for reason, names in rejected.names.items()} == {
        "missing file": 1,
        "no valence and arousal": 1,
        "valence or arousal outside [-1, 1]": 1,
        "unreadable label": 1,
        "face box outside the picture": 1,
    }
    assert rejected.names["missing file"] == ["missing.jpg"]
    packed = np.load(tmp_path / "faces.npz")
    assert [(packed["split"] == split).sum() for split in ("train", "val")] == [20, 8]
    assert packed["affect"][0] == pytest.approx([0.8, 0.3])


def test_plain_csv_takes_names_numbers_or_nothing_for_the_expression(photographs: list[Path], tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "valence", "arousal", "expression"])
        for photograph, expression in zip(photographs, ("happiness", "3", "", "bliss"), strict=False):
            writer.writerow([photograph, 0.25, -0.5, expression])
    rejected = Rejected()
    examples = read_examples(path, rejected)
    assert [example.expression for example in examples] == [1, 3, -1]
    assert list(rejected.names) == ["unreadable label"]


def test_a_plain_csv_is_prepared_with_the_detector(
    photographs: list[Path], detector_folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "ratings.csv"
    lines = ["path,valence,arousal", *(f"{photograph},0.25,-0.5" for photograph in photographs[:3])]
    path.write_text("\n".join(lines) + "\n")
    prepare(path, detector_folder, tmp_path / "faces.npz")
    packed = np.load(tmp_path / "faces.npz")
    assert packed["pictures"].shape == (3, 72, 72)
    assert (packed["expression"] == -1).all()


def test_a_set_says_what_is_val_or_does_not(affectnet_annotations: Path, affectnet_csv: Path) -> None:
    assert names_its_splits(affectnet_annotations) and names_its_splits(affectnet_csv)
    assert not names_its_splits(affectnet_annotations / "val_set")
    assert not names_its_splits(affectnet_csv / "validation.csv")


def test_an_unknown_set_is_refused_with_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="annotations/"):
        read_examples(tmp_path, Rejected())


def test_a_csv_with_other_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="columns"):
        read_examples(tmp_path / "other.csv", Rejected())


def test_reasons_are_counted_and_named() -> None:
    rejected = Rejected()
    for name in "abcdefg":
        rejected.add("missing file", name)
    assert rejected.lines() == ["left out, missing file: 7 (a, b, c, d, e, ...)"]
