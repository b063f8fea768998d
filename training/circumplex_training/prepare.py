"""Reads a labelled set, aligns each face with the product's own detector, and writes one compressed file.

python -m circumplex_training.prepare --data FOLDER_OR_CSV --detector ../models/detector --output faces.npz
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from tqdm import tqdm

from circumplex_training.alignment import SIDE, TEMPLATE, VIEW, grey_view, mean_template, widened
from circumplex_training.detector import Detector, overlap
from circumplex_training.readers import Example, Rejected, read_examples

# FER+: a 48-pixel face is enlarged to this many pixels in the middle of the detector's 256, its sensible range; a face
# that is not found, or not surely, is looked at again in the other sizes.
FACE_PIXELS = (144, 184, 112)
MINIMUM_SCORE = 0.3
SURE_SCORE = 0.7
# The detector looks at so many sides of a labelled box.
SURROUNDINGS = 1.8
BOX_TOLERANCE_PIXELS = 1
# Of the 68 points: right eye, left eye (as the person has them), mouth.
POINT_GROUPS = (slice(36, 42), slice(42, 48), slice(48, 68))


def look(detector: Detector, picture: np.ndarray, face_pixels: int) -> tuple[float, np.ndarray]:
    """Score and right eye, left eye, mouth centre in pixels of the picture (S x S grey); score 0 where nothing is."""
    side = picture.shape[0]
    margin = (detector.size - face_pixels) // 2
    enlarged = np.asarray(Image.fromarray(picture).resize((face_pixels, face_pixels), Image.Resampling.BILINEAR))
    canvas = np.pad(enlarged, (margin, detector.size - face_pixels - margin), mode="edge")
    face = detector.best_face(np.repeat(canvas[:, :, None], 3, axis=2))
    if face is None:
        return 0.0, np.full((3, 2), np.nan)
    points = (face.alignment_points - margin) * side / face_pixels
    inside = np.all((points > -0.1 * side) & (points < 1.1 * side))
    return (face.score if inside else 0.0), points


def read_landmarks(detector: Detector, picture: np.ndarray) -> np.ndarray | None:
    """Right eye, left eye, mouth centre in pixels of the picture (S x S grey), or None where no face is found."""
    best_score, best_points = 0.0, None
    for face_pixels in FACE_PIXELS:
        score, points = look(detector, picture, face_pixels)
        if score > best_score:
            best_score, best_points = score, points
        if best_score >= SURE_SCORE:
            break
    return best_points.astype(np.float32) if best_points is not None and best_score >= MINIMUM_SCORE else None


def pack_ferplus(examples: list[Example], detector: Detector, rejected: Rejected) -> dict[str, np.ndarray]:
    """48 x 48 pictures as they are, their landmarks (NaN where none are found) and votes."""
    pictures, landmarks, kept = [], [], []
    for example in tqdm(examples, mininterval=10):
        picture = _read(example, "L", rejected)
        if picture is None:
            continue
        if pictures and picture.shape != pictures[0].shape:
            rejected.add(f"not {pictures[0].shape[0]} pixels square", example.path.name)
            continue
        points = read_landmarks(detector, picture)
        pictures.append(picture)
        landmarks.append(np.full((3, 2), np.nan, np.float32) if points is None else points)
        kept.append(example)
    votes = np.array([example.votes for example in kept], np.uint8)
    return {
        "pictures": np.stack(pictures),
        "landmarks": np.stack(landmarks),
        "votes": votes[:, :8],
        "unknown": votes[:, 8],
        "split": np.array([example.split for example in kept]),
    }


def face_points(example: Example, picture: np.ndarray, detector: Detector) -> np.ndarray | None:
    """Right eye, left eye, mouth centre of the labelled face, 3 x 2 in pixels: the detector's where it finds that face,
    else the set's own; None where neither is."""
    height, width = picture.shape[:2]
    if example.box is None:
        corner, part, wanted = np.zeros(2), picture, None
    else:
        box = np.array(example.box)
        centre, half = box[:2] + box[2:] / 2, box[2:].max() * SURROUNDINGS / 2
        left, top = np.maximum(np.floor(centre - half), 0).astype(int)
        right, bottom = np.minimum(np.ceil(centre + half), [width, height]).astype(int)
        corner, part = np.array([left, top]), np.ascontiguousarray(picture[top:bottom, left:right])
        wanted = np.concatenate([box[:2] - corner, box[2:]])
    # A picture that is all face is outside the detector's range: give it some edge.
    margin = round(0.25 * max(part.shape[:2]))
    padded = np.pad(part, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
    for face in detector.faces(padded, MINIMUM_SCORE):
        shifted = np.concatenate([face.box[:2] - margin, face.box[2:]])
        if wanted is None or overlap(shifted, wanted) > 0.2:
            return face.alignment_points - margin + corner
    if example.landmarks is not None:
        return np.stack([example.landmarks[group].mean(axis=0) for group in POINT_GROUPS])
    return None


def box_is_outside(example: Example, picture: np.ndarray) -> bool:
    if example.box is None:
        return False
    left, top, width, height = example.box
    room = BOX_TOLERANCE_PIXELS
    return bool(
        width <= 0
        or height <= 0
        or left < -room
        or top < -room
        or left + width > picture.shape[1] + room
        or top + height > picture.shape[0] + room
    )


def pack_aligned(examples: list[Example], detector: Detector, rejected: Rejected) -> dict[str, np.ndarray]:
    """Grey views SIDE x SIDE of faces aligned as served ones are, with affect and expression."""
    views, kept = [], []
    for example in tqdm(examples, mininterval=10):
        picture = _read(example, "RGB", rejected)
        if picture is None:
            continue
        if box_is_outside(example, picture):
            rejected.add("face box outside the picture", example.path.name)
            continue
        points = face_points(example, picture, detector)
        if points is None:
            rejected.add("no face found", example.path.name)
            continue
        views.append(grey_view(picture, points))
        kept.append(example)
    if not kept:
        raise SystemExit("no usable row is left: " + "; ".join(rejected.lines()))
    return {
        "pictures": np.stack(views),
        "landmarks": np.repeat((widened(TEMPLATE, VIEW) * SIDE)[None], len(kept), axis=0).astype(np.float32),
        "affect": np.array([example.affect for example in kept], np.float32),
        "expression": np.array([example.expression for example in kept], np.int8),
        "split": np.array([example.split for example in kept]),
    }


def _read(example: Example, mode: str, rejected: Rejected) -> np.ndarray | None:
    """The picture, turned as its EXIF says (the server does so) unless the set has a box or points: those are of the
    pixels as they are stored."""
    stored = example.box is not None or example.landmarks is not None
    try:
        with Image.open(example.path) as picture:
            return np.asarray((picture if stored else ImageOps.exif_transpose(picture)).convert(mode))
    except OSError:
        rejected.add("unreadable picture", example.path.name)
        return None


def prepare(source: Path, detector_folder: Path, output: Path, split: str = "all") -> Rejected:
    """Reads one split of `source` or `all` of it, prints what was left out and why, writes `output`."""
    rejected = Rejected()
    examples = read_examples(source, rejected, split)
    detector = Detector(detector_folder)
    has_votes = bool(examples) and examples[0].votes is not None
    packed = (pack_ferplus if has_votes else pack_aligned)(examples, detector, rejected)
    found = ~np.isnan(packed["landmarks"][:, 0, 0])
    train = packed["split"] == "train"
    print(f"{len(found)} faces, {train.sum()} to train on, points found in {found.mean():.2%}")
    for line in rejected.lines():
        print(line)
    if has_votes and train.any():
        measured = mean_template(packed["landmarks"][train], packed["pictures"].shape[1])
        print(f"mean points {measured.tolist()}, template {TEMPLATE.tolist()}")
    # Written beside and renamed: a kill leaves no half of a file.
    part = output.with_name(f"{output.name}.part")
    with open(part, "wb") as file:
        np.savez_compressed(file, source=np.array(str(source.resolve())), **packed)
    part.replace(output)
    return rejected


def prepared_from(path: Path) -> str:
    """The set that a file of `prepare` was made of."""
    with np.load(path) as packed:
        return str(packed["source"]) if "source" in packed else "?"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--detector", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    prepare(options.data, options.detector, options.output)


if __name__ == "__main__":
    main()
