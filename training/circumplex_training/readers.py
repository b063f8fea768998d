"""Reads the labels of the data sets that can be trained and evaluated on; bad rows are counted and named, never fatal.

FER+: a folder with `manifest.csv` (path, split, votes). AffectNet's first release: a CSV (subDirectory_filePath,
face_x, face_y, face_width, face_height, facial_landmarks, expression, valence, arousal) beside the pictures or beside a
folder of them. Its newer release: `images/N.jpg` with `annotations/N_{exp,val,aro,lnd}.npy`. Plain: a CSV of path, and
valence and arousal or expression, and if known split (train or val) or group (of pictures that belong together).
"""

from __future__ import annotations

import csv
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import numpy as np

from circumplex_training.labels import CLASSES, FERPLUS_COLUMNS

NO_AFFECT = -2.0
# Where a set names no validation split, one picture or group in ten is held back, by its name.
HELD_BACK = 10
SPLITS = ("train", "val")
# Other names of expressions: AffectNet's, and what is often written. -1: none of the eight.
OTHER_NAMES = {"HAPPY": 1, "SAD": 2, "SURPRISED": 3, "FEARFUL": 4, "DISGUSTED": 5, "ANGRY": 6, "NONE": -1,
               "UNCERTAIN": -1, "NO-FACE": -1}  # fmt: skip
# AffectNet's first release keeps its lists and its pictures in two folders, as they are unpacked.
LISTS = ("Manually_Annotated_file_lists", "Manually_Annotated/Manually_Annotated_file_lists")


@dataclass(frozen=True)
class Example:
    """One labelled picture. `affect` valence and arousal, NaN where unknown; `expression` 0 to 7 or -1; `box` left,
    top, width, height and `landmarks` 68 x 2 in its pixels where the set has them; `votes` 9 counts (FER+: the eight
    classes in the product's order, then unknown)."""

    path: Path
    split: str
    affect: tuple[float, float] = (float("nan"), float("nan"))
    expression: int = -1
    box: tuple[float, float, float, float] | None = None
    landmarks: np.ndarray | None = None
    votes: tuple[int, ...] | None = None


@dataclass
class Rejected:
    """Rows that are left out: reason -> names."""

    names: dict[str, list[str]] = field(default_factory=dict)

    def add(self, reason: str, name: str) -> None:
        self.names.setdefault(reason, []).append(name)

    def lines(self, shown: int = 5) -> list[str]:
        """One line a reason: how many, and the first names."""
        return [
            f"left out, {reason}: {len(names)} ({', '.join(names[:shown])}{', ...' if len(names) > shown else ''})"
            for reason, names in self.names.items()
        ]


def held_back(name: str) -> str:
    return "val" if zlib.crc32(name.encode()) % HELD_BACK == 0 else "train"


def names_its_splits(source: Path) -> bool:
    """Whether a set says what is `val`; where it does not, a tenth is held back by `held_back`."""
    if source.is_dir():
        return not (source / "annotations").is_dir()
    with _opened(source) as file:
        return "split" in (csv.DictReader(file).fieldnames or ())


def read_examples(source: Path, rejected: Rejected, split: str = "all") -> list[Example]:
    """The usable rows of a split or of all of a set, whichever of the formats it has. Raises ValueError where it has
    none of them."""
    rows = (example for example in _rows(source, rejected) if split in ("all", example.split))
    return [example for example in rows if _usable(example, rejected)]


def _opened(path: Path) -> TextIO:
    """A CSV, with the mark before it or without that some programs write."""
    return open(path, newline="", encoding="utf-8-sig")


def _rows(source: Path, rejected: Rejected) -> Iterator[Example]:
    if source.is_file():
        yield from _csv(source, source.parent, None, rejected)
    elif (source / "manifest.csv").exists():
        yield from _ferplus(source, rejected)
    elif (source / "annotations").is_dir():
        yield from _annotations(source, None, rejected)
    elif (source / "val_set" / "annotations").is_dir():
        for split in ("train", "val"):
            if (source / f"{split}_set" / "annotations").is_dir():
                yield from _annotations(source / f"{split}_set", split, rejected)
    elif lists := next((at for at in (source, *(source / part for part in LISTS)) if _has_lists(at)), None):
        for split, name in (("train", "training.csv"), ("val", "validation.csv")):
            if (lists / name).exists():
                yield from _csv(lists / name, source, split, rejected)
    else:
        raise ValueError(
            f"{source} is no set that can be read: expected a CSV file, or a folder with manifest.csv (FER+), "
            "annotations/ or val_set/annotations/ (AffectNet, newer release) or validation.csv or "
            f"{LISTS[0]}/validation.csv (AffectNet, first one)"
        )


def _has_lists(folder: Path) -> bool:
    return (folder / "validation.csv").exists()


def _picture_folders(folder: Path, lists: Path) -> list[Path]:
    """Where a row's picture may lie: in the folder, that of the lists or the one above those, or in one of pictures in
    them or one level deeper."""
    above = [lists.parent] if "file_lists" in lists.name else []
    tops = list(dict.fromkeys([folder, lists, *above]))
    inner = [child for top in tops for child in sorted(top.iterdir()) if child.is_dir()]
    wrapped = [child for child in inner if child.name.startswith("Manually_Annotated")]
    deeper = [child for folder in wrapped for child in sorted(folder.iterdir()) if child.is_dir()]
    return tops + [child for child in (*inner, *deeper) if "images" in child.name.lower()]


def _usable(example: Example, rejected: Rejected) -> bool:
    name = example.path.name
    if not example.path.exists():
        rejected.add("missing file", name)
    elif example.votes is None and example.expression < 0 and any(np.isnan(example.affect)):
        rejected.add("no valence and arousal", name)
    elif any(abs(value) > 1 for value in example.affect):
        rejected.add("valence or arousal outside [-1, 1]", name)
    else:
        return True
    return False


def _affect(valence: float, arousal: float) -> tuple[float, float]:
    """-2 in either stands for no label."""
    unknown = NO_AFFECT in (valence, arousal)
    return (float("nan"), float("nan")) if unknown else (valence, arousal)


def _ferplus(folder: Path, rejected: Rejected) -> Iterator[Example]:
    with _opened(folder / "manifest.csv") as file:
        for row in csv.DictReader(file):
            try:
                votes = tuple(int(row[name]) for name in (*FERPLUS_COLUMNS, "unknown"))
            except (KeyError, TypeError, ValueError):
                rejected.add("unreadable label", row.get("path") or "?")
                continue
            yield Example(folder / row["path"], row["split"], votes=votes)


def _csv(path: Path, folder: Path, split: str | None, rejected: Rejected) -> Iterator[Example]:
    """AffectNet's first release or a plain CSV, told apart by the header."""
    with _opened(path) as file:
        reader = csv.DictReader(file)
        columns = set(reader.fieldnames or ())
        if {"subDirectory_filePath", "valence", "arousal"} <= columns:
            parse = _affectnet_row
        elif "path" in columns and ({"valence", "arousal"} <= columns or "expression" in columns):
            parse = _plain_row
        else:
            raise ValueError(
                f"{path} has neither the columns of AffectNet nor path, and valence and arousal or expression"
            )
        folders = _picture_folders(folder, path.parent)
        for row in reader:
            name = row.get("subDirectory_filePath") or row.get("path") or "?"
            picture = next((at / name for at in folders if (at / name).exists()), folder / name)
            own_split = split or (row.get("split") or "").strip().lower() or held_back(row.get("group") or name)
            if own_split not in SPLITS:
                rejected.add(f"split neither {' nor '.join(SPLITS)}", name)
                continue
            try:
                yield parse(row, picture, own_split)
            except (TypeError, ValueError, KeyError):
                rejected.add("unreadable label", name)


def _affectnet_row(row: dict[str, str], picture: Path, split: str) -> Example:
    code = int(row["expression"])
    x, y, width, height = (float(row[f"face_{name}"]) for name in ("x", "y", "width", "height"))
    numbers = [float(part) for part in (row.get("facial_landmarks") or "").split(";") if part]
    return Example(
        picture,
        split,
        affect=_affect(float(row["valence"]), float(row["arousal"])),
        expression=code if 0 <= code < len(CLASSES) else -1,
        box=(x, y, width, height),
        landmarks=np.array(numbers).reshape(68, 2) if len(numbers) == 136 else None,
    )


def _plain_row(row: dict[str, str], picture: Path, split: str) -> Example:
    rated = [(row.get(axis) or "").strip() for axis in ("valence", "arousal")]
    affect = _affect(float(rated[0]), float(rated[1])) if any(rated) else (float("nan"), float("nan"))
    return Example(picture, split, affect=affect, expression=_expression((row.get("expression") or "").strip()))


def _expression(label: str) -> int:
    """0 to 7, or -1 for nothing and for what is none of the eight. Raises ValueError for other words."""
    if label == "":
        return -1
    if label.upper() in CLASSES:
        return CLASSES.index(label.upper())
    if label.upper() in OTHER_NAMES:
        return OTHER_NAMES[label.upper()]
    code = float(label)  # with gaps in a column some programs write 3.0
    return int(code) if code in range(len(CLASSES)) else -1


def _annotations(folder: Path, split: str | None, rejected: Rejected) -> Iterator[Example]:
    for labelled in sorted((folder / "annotations").glob("*_exp.npy")):
        number = labelled.name.removesuffix("_exp.npy")
        try:
            code, valence, arousal = (
                float(np.load(folder / "annotations" / f"{number}_{kind}.npy").item()) for kind in ("exp", "val", "aro")
            )
            points = folder / "annotations" / f"{number}_lnd.npy"
            landmarks = np.load(points).astype(np.float64).reshape(68, 2) if points.exists() else None
        except (OSError, ValueError):
            rejected.add("unreadable label", number)
            continue
        yield Example(
            folder / "images" / f"{number}.jpg",
            split or held_back(number),
            affect=_affect(valence, arousal),
            expression=int(code) if 0 <= code < len(CLASSES) else -1,
            landmarks=landmarks,
        )
