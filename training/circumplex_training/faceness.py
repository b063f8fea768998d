"""Collects what the faceness head learns from: crops that are no faces, and natural faces without any other label.

No face: the detector's own wrong boxes on natural photographs (as they are, and once more with other contrast, gamma or
inverted), random places of them, and its boxes on pages of lettering and shapes (`drawn`), all aligned as a served crop
is. A box is wrong where YuNet, asked generously, sees nothing near it. Faces: those that both detectors agree on, and
optionally a folder of faces with a manifest (labels unused).

python -m circumplex_training.faceness --scenes FOLDER_OF_JPG --detector ../models/detector --yunet yunet.onnx \\
    --faces FOLDER_WITH_manifest.csv --output faceness.npz
"""

from __future__ import annotations

import argparse
import csv
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from circumplex_training.alignment import TEMPLATE, VIEW, grey_view
from circumplex_training.detector import Detector, Face, overlap
from circumplex_training.drawn import draw_page, font_files
from circumplex_training.yunet import YuNet

WRONG_BOX_SCORE = 0.25
LOOKS_A_SCENE = 50
BACKGROUNDS_A_SCENE = 30
MAX_WRONG_A_SCENE = 60
FACES_LIMIT = 4000
PAGES, LOOKS_A_PAGE, PLACES_A_PAGE, MAX_WRONG_A_PAGE = 900, 8, 2, 8
KINDS = ("wrong-box", "background", "drawn", "face")
VAL_SHARE = 6  # one scene, page or natural face in six


def picture_key(path: Path) -> int:
    """A number that a picture's name gives, everywhere and always the same."""
    return zlib.crc32(path.name.encode())


def is_held_back(path: Path) -> bool:
    return picture_key(path) % VAL_SHARE == 0


def possible_faces(yunet: YuNet, picture: np.ndarray) -> np.ndarray:
    """N x 4 boxes where a face may be: YuNet from a score of .3, at three sizes and in four enlarged parts."""
    height, width = picture.shape[:2]
    found = [yunet.boxes(picture, 0.3, side)[1] for side in (320, 640, 1024)]
    for top in (0, height // 3):
        for left in (0, width // 3):
            part = picture[top : top + 2 * height // 3, left : left + 2 * width // 3]
            found.append(yunet.boxes(np.ascontiguousarray(part), 0.3, 1024)[1] + np.array([left, top, 0, 0]))
    return np.concatenate(found)


def touches(box: np.ndarray, others: np.ndarray) -> bool:
    """Whether a box, 1.3 times enlarged, overlaps another by more than .02 of their union."""
    middle = np.concatenate([box[:2] - 0.15 * box[2:], box[2:] * 1.3])
    return any(overlap(middle, other) > 0.02 for other in others)


def random_region(shape: tuple[int, ...], random: np.random.Generator) -> tuple[int, int, int]:
    """Left, top and side of a square inside the picture, from 64 pixels to the shorter side."""
    shorter = min(shape[:2])
    side = int(np.exp(random.uniform(np.log(min(64, shorter)), np.log(shorter))))
    return int(random.integers(0, shape[1] - side + 1)), int(random.integers(0, shape[0] - side + 1)), side


def boxes_of_looks(
    picture: np.ndarray, detector: Detector, looks: int, random: np.random.Generator
) -> Iterator[tuple[Face, np.ndarray, np.ndarray, bool]]:
    """What the detector finds in the whole picture and in `looks` squares of it, some turned by quarters: the face as
    it was seen, its alignment points and its box in the picture, and whether the square was upright."""
    regions = [(0, 0, 0)] + [random_region(picture.shape, random) for _ in range(looks)]
    for left, top, side in regions:
        part = picture if side == 0 else picture[top : top + side, left : left + side]
        turns = int(random.integers(0, 4)) if side and random.random() < 0.3 else 0
        for face in detector.faces(np.ascontiguousarray(np.rot90(part, turns)), WRONG_BOX_SCORE):
            points, corners = face.alignment_points, np.stack([face.box[:2], face.box[:2] + face.box[2:]])
            for _ in range(turns):  # back by a quarter each; turned regions are square
                points = np.stack([side - points[:, 1], points[:, 0]], axis=1)
                corners = np.stack([side - corners[:, 1], corners[:, 0]], axis=1)
            low, high = corners.min(axis=0), corners.max(axis=0)
            box = np.concatenate([low + np.array([left, top]), high - low])
            if max(box[2:]) >= 12:
                yield face, points + np.array([left, top]), box, turns == 0


def random_place(shape: tuple[int, ...], random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Alignment points 3 x 2 and box of a place anywhere, turned anyhow."""
    left, top, side = random_region(shape, random)
    angle, scale = random.uniform(-np.pi, np.pi), side * random.uniform(0.3, 1.0)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = np.array([left, top]) + side / 2
    return (TEMPLATE - 0.5) @ turn.T * scale + centre, np.concatenate([centre - scale / 2, [scale, scale]])


def altered(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The picture with another gamma and contrast, one in three inverted: other places look like a face in it."""
    share = (picture / 255) ** np.exp(random.uniform(-0.9, 0.9))
    share = (share - 0.5) * random.uniform(0.6, 2.5) + 0.5 + random.uniform(-0.15, 0.15)
    return ((1 - share if random.random() < 1 / 3 else share).clip(0, 1) * 255).astype(np.uint8)


def collect_scene(
    picture: np.ndarray, detector: Detector, yunet: YuNet, random: np.random.Generator
) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
    """Grey views SIDE x SIDE of one photograph: wrong boxes, backgrounds, faces."""
    maybe = possible_faces(yunet, picture)
    sure_scores, sure = yunet.boxes(picture, 0.8, 1024)
    wrong, faces = [], []
    for shown in (picture, altered(picture, random)):
        kept_boxes: list[np.ndarray] = []
        most = len(wrong) + MAX_WRONG_A_SCENE
        for face, points, box, upright in boxes_of_looks(shown, detector, LOOKS_A_SCENE, random):
            if any(overlap(box, other) > 0.6 for other in kept_boxes):
                continue
            if not touches(box, maybe):
                if len(wrong) < most:
                    wrong.append(grey_view(shown, points))
                    kept_boxes.append(box)
            elif shown is picture and upright and face.score > 0.7 and any(overlap(box, one) > 0.5 for one in sure):
                faces.append(grey_view(shown, points))
                kept_boxes.append(box)
    places = [random_place(picture.shape, random) for _ in range(BACKGROUNDS_A_SCENE)]
    backgrounds = [grey_view(picture, points) for points, box in places if not touches(box, maybe)]
    return wrong, backgrounds, faces


def collect_page(picture: np.ndarray, detector: Detector, random: np.random.Generator) -> list[np.ndarray]:
    """Grey views SIDE x SIDE of a drawn page: the detector's boxes and a few random places."""
    kept_boxes: list[np.ndarray] = []
    views = []
    for _, points, box, _ in boxes_of_looks(picture, detector, LOOKS_A_PAGE, random):
        if len(views) < MAX_WRONG_A_PAGE and not any(overlap(box, other) > 0.6 for other in kept_boxes):
            views.append(grey_view(picture, points))
            kept_boxes.append(box)
    return views + [grey_view(picture, random_place(picture.shape, random)[0]) for _ in range(PLACES_A_PAGE)]


def natural_faces(folder: Path, limit: int) -> list[str]:
    """The paths that faceness looks at: `limit` of a folder's manifest (column `path`), at equal steps from its
    first."""
    with open(folder / "manifest.csv", newline="") as file:
        paths = [row["path"] for row in csv.DictReader(file)]
    return paths[:: max(1, len(paths) // limit)][:limit]


def natural_view(path: Path, detector: Detector) -> np.ndarray | None:
    """The view of a picture that is all face, or None where the detector is not sure of one."""
    grey = np.asarray(Image.open(path).convert("L"))
    picture = np.repeat(grey[:, :, None], 3, axis=2)
    faces = detector.faces(np.pad(picture, ((40, 40), (40, 40), (0, 0)), mode="edge"), 0.7)
    return grey_view(picture, faces[0].alignment_points - 40) if faces else None


def collect_faces(folder: Path, detector: Detector, limit: int) -> list[tuple[np.ndarray, str]]:
    """Views of the faces that the detector is sure of, and the split of each."""
    paths = tqdm(natural_faces(folder, limit), mininterval=10)
    views = ((natural_view(folder / path, detector), is_held_back(Path(path))) for path in paths)
    return [(found, "val" if held_back else "train") for found, held_back in views if found is not None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=Path, help="folder of JPEG photographs; without it drawn pages alone")
    parser.add_argument("--detector", type=Path, required=True)
    parser.add_argument("--yunet", type=Path, help="YuNet's ONNX file, needed with --scenes")
    parser.add_argument("--faces", type=Path, help="folder with manifest.csv (path) of natural faces")
    parser.add_argument("--faces-limit", type=int, default=FACES_LIMIT)
    parser.add_argument("--pages", type=int, default=PAGES, help="drawn pages of lettering and shapes")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    if (options.scenes is None) != (options.yunet is None):
        parser.error("--scenes and --yunet go together")
    if options.scenes is not None and not any(options.scenes.glob("*.jpg")):
        parser.error(f"{options.scenes} has no .jpg")
    detector = Detector(options.detector)
    yunet = None if options.yunet is None else YuNet(options.yunet)
    views: list[np.ndarray] = []
    kinds: list[str] = []
    splits: list[str] = []

    def keep(kind: str, group: list[np.ndarray], split: str) -> None:
        views.extend(group)
        kinds.extend([kind] * len(group))
        splits.extend([split] * len(group))

    photographs: dict[str, list[np.ndarray]] = {"train": [], "val": []}
    scenes = [] if options.scenes is None else sorted(options.scenes.glob("*.jpg"))
    for path in tqdm(scenes, mininterval=10, desc="scenes"):
        picture = np.asarray(Image.open(path).convert("RGB"))
        split = "val" if is_held_back(path) else "train"
        photographs[split].append(picture)
        groups = collect_scene(picture, detector, yunet, np.random.default_rng(picture_key(path)))
        for kind, group in zip(("wrong-box", "background", "face"), groups, strict=True):
            keep(kind, group, split)
    fonts = font_files()
    for number in tqdm(range(options.pages), mininterval=10, desc="pages"):
        random = np.random.default_rng([1, number])
        split = "val" if number % VAL_SHARE == 0 else "train"
        keep("drawn", collect_page(draw_page(random, fonts, photographs[split]), detector, random), split)
    if options.faces is not None:
        for natural, split in collect_faces(options.faces, detector, options.faces_limit):
            keep("face", [natural], split)
    kind, split = np.array(kinds), np.array(splits)
    for name in KINDS:
        counts = [f"{((kind == name) & (split == part)).sum()} {part}" for part in ("train", "val")]
        print(f"{name}: {', '.join(counts)}")
    np.savez_compressed(options.output, pictures=np.stack(views), kind=kind, split=split, view=np.array(VIEW))


if __name__ == "__main__":
    main()
