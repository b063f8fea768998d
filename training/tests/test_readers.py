"""The formats that are read, and their bad rows."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

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


def test_plain_csv_as_programs_write_it(photographs: list[Path], tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    labels = (
        ("0.1,-0.2", "3.0"),
        ("0.1,-0.2", "Happy"),
        (",", "Sad"),
        ("0.1,-0.2", "8"),
        ("0.1,-0.2", "none"),
        (",", ""),
    )
    rows = [f"{photographs[0]},{affect},{label}" for affect, label in labels]
    path.write_text("\n".join(["path,valence,arousal,expression", *rows]) + "\n", encoding="utf-8-sig")
    rejected = Rejected()
    examples = read_examples(path, rejected)
    assert [example.expression for example in examples] == [3, 1, 2, -1, -1]
    assert np.isnan(examples[2].affect).all() and examples[0].affect == (0.1, -0.2)
    assert {reason: len(names) for reason, names in rejected.names.items()} == {"no valence and arousal": 1}


def test_plain_csv_of_expressions_alone(photographs: list[Path], tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(f"path,expression\n{photographs[0]},anger\n")
    (example,) = read_examples(tmp_path / "labels.csv", Rejected())
    assert example.expression == 6 and np.isnan(example.affect).all()


def test_pictures_of_a_group_are_on_one_side(photographs: list[Path], tmp_path: Path) -> None:
    for number in range(60):
        (tmp_path / f"{number}.jpg").symlink_to(photographs[0])
    rows = [f"{number}.jpg,0.1,0.1,person {number % 20}" for number in range(60)]
    (tmp_path / "frames.csv").write_text("\n".join(["path,valence,arousal,group", *rows]) + "\n")
    examples = read_examples(tmp_path / "frames.csv", Rejected())
    sides = [{example.split for example in examples[person::20]} for person in range(20)]
    assert all(len(side) == 1 for side in sides) and {"val"} in sides and {"train"} in sides


def test_a_csv_may_name_its_splits(photographs: list[Path], tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    rows = [f"{photographs[0]},0.1,0.1,{split}" for split in ("train", "VAL", "", "test")]
    path.write_text("\n".join(["path,valence,arousal,split", *rows]) + "\n")
    assert names_its_splits(path)
    rejected = Rejected()
    assert [example.split for example in read_examples(path, rejected)][:2] == ["train", "val"]
    assert list(rejected.names) == ["split neither train nor val"]
    assert len(read_examples(path, Rejected(), "val")) == 1


@pytest.mark.parametrize("lists", ["Manually_Annotated_file_lists", "Manually_Annotated/Manually_Annotated_file_lists"])
@pytest.mark.parametrize("pictures", ["Manually_Annotated_Images", "Manually_Annotated/Manually_Annotated_Images",
                                      "Manually_Annotated_compressed/Manually_Annotated_Images"])  # fmt: skip
def test_finds_the_first_release_as_it_is_unpacked(
    affectnet_csv: Path, tmp_path: Path, lists: str, pictures: str
) -> None:
    for name, at in (("Manually_Annotated_Images", pictures), *((f"{part}.csv", f"{lists}/{part}.csv")
                     for part in ("training", "validation"))):  # fmt: skip
        (tmp_path / at).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / at).symlink_to(affectnet_csv / name)
    rejected = Rejected()
    examples = read_examples(tmp_path, rejected)
    assert len([example for example in examples if example.split == "val"]) == 8
    assert rejected.names["missing file"] == ["missing.jpg"]


def test_the_lists_alone_find_their_pictures(affectnet_csv: Path, tmp_path: Path) -> None:
    lists = tmp_path / "Manually_Annotated_file_lists"
    lists.mkdir()
    (tmp_path / "Manually_Annotated_Images").symlink_to(affectnet_csv / "Manually_Annotated_Images")
    for part in ("training", "validation"):
        (lists / f"{part}.csv").symlink_to(affectnet_csv / f"{part}.csv")
    assert len(read_examples(lists, Rejected(), "val")) == len(read_examples(lists / "validation.csv", Rejected())) == 8


def test_a_picture_is_turned_as_its_exif_says(photographs: list[Path], detector_folder: Path, tmp_path: Path) -> None:
    with Image.open(photographs[0]) as picture:
        upright = picture.convert("RGB")
    tags = Image.Exif()
    tags[0x0112] = 6  # to be turned by 90 degrees clockwise
    upright.save(tmp_path / "0.png")
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "1.png", exif=tags)
    (tmp_path / "two.csv").write_text("path,valence,arousal\n0.png,0,0\n1.png,0,0\n")
    prepare(tmp_path / "two.csv", detector_folder, tmp_path / "faces.npz")
    first, second = np.load(tmp_path / "faces.npz")["pictures"]
    assert (first == second).all()
    assert [path.name for path in tmp_path.glob("*.part")] == []


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
