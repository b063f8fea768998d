"""How far estimates drift when the same face is seen worse: mean absolute change of valence and arousal, as Markdown.

python -m circumplex_training.robustness --model ../models/affect --faces ferplus.npz --pictures FOLDER_OF_PORTRAITS \\
    --detector ../models/detector --output robustness.md
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter

from circumplex_training.alignment import align_face
from circumplex_training.check import largest_face
from circumplex_training.data import load_faces, served_crops
from circumplex_training.detector import Detector
from circumplex_training.served import ServedModel

Change = Callable[[np.ndarray], np.ndarray]


def scaled(crop: np.ndarray, pixels: int) -> np.ndarray:
    """Square crop -> `pixels` a side: the mean of what is covered when it shrinks, bilinear when it grows."""
    how = Image.Resampling.BOX if pixels < crop.shape[0] else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(crop).resize((pixels, pixels), how))


def resized(pixels: int) -> Change:
    """The face as a camera would have it `pixels` wide."""

    def change(crop: np.ndarray) -> np.ndarray:
        return scaled(scaled(crop, pixels), crop.shape[0])

    return change


def brightened(factor: float) -> Change:
    return lambda crop: np.clip(crop.astype(np.float32) * factor + 0.5, 0, 255).astype(np.uint8)


def jpeg(quality: int) -> Change:
    def change(crop: np.ndarray) -> np.ndarray:
        packed = io.BytesIO()
        Image.fromarray(crop).save(packed, "JPEG", quality=quality)
        return np.asarray(Image.open(packed).convert("RGB"))

    return change


def blurred(radius: float) -> Change:
    """`radius` in hundredths of the crop's side: a Gaussian's deviation."""

    def change(crop: np.ndarray) -> np.ndarray:
        return np.asarray(Image.fromarray(crop).filter(ImageFilter.GaussianBlur(radius * crop.shape[0] / 100)))

    return change


def rotated(degrees: float) -> Change:
    """As if alignment had missed the head's tilt."""

    def change(crop: np.ndarray) -> np.ndarray:
        margin = crop.shape[0] // 2
        wide = np.pad(crop, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
        turned = np.asarray(Image.fromarray(wide).rotate(degrees, Image.Resampling.BILINEAR))
        return turned[margin:-margin, margin:-margin]

    return change


def covered(top: float, bottom: float) -> Change:
    """A grey bar over the full width between two heights, in [0, 1] of the side."""

    def change(crop: np.ndarray) -> np.ndarray:
        side, copy = crop.shape[0], crop.copy()
        copy[round(top * side) : round(bottom * side)] = 128
        return copy

    return change


PORTRAIT_SIDE = 224
FACE_PIXELS = (24, 36, 48, 112, 224)
CHANGES: dict[str, Change] = {
    **{f"brightness x{factor}": brightened(factor) for factor in (0.5, 0.75, 1.25, 1.5)},
    **{f"JPEG quality {quality}": jpeg(quality) for quality in (20, 50, 80, 95)},
    **{f"blur, deviation {radius} % of the side": blurred(radius) for radius in (1, 2, 4)},
    **{f"rotation {degrees} degrees": rotated(degrees) for degrees in (-30, -15, 15, 30)},
    "eyes covered": covered(0.27, 0.49),
    "mouth covered": covered(0.66, 0.9),
}


def fer_faces(path: Path, side: int, limit: int) -> list[np.ndarray]:
    """Faces of `val` as crops; their 48 pixels are all the detail that there is."""
    faces = load_faces(path, "val")
    rows = torch.arange(len(faces))[:: max(1, len(faces) // limit)][:limit]
    return list(served_crops(faces, rows, side))


def portrait_faces(folder: Path, detector: Detector, template: np.ndarray) -> list[np.ndarray]:
    """The largest face of each picture, aligned and PORTRAIT_SIDE pixels a side."""
    crops = []
    for path in sorted(folder.glob("*.jpg")):
        picture = np.asarray(Image.open(path).convert("RGB"))
        face = largest_face(detector, picture)
        if face is not None:
            crops.append(align_face(picture, face.alignment_points, template, PORTRAIT_SIDE))
    return crops


def turned_drift(model: ServedModel, folder: Path, detector: Detector) -> list[tuple[str, float, float, float]]:
    """Rows as `drift` gives them, of whole pictures turned by quarters, in which the face is found and aligned anew;
    those in which it is not found are named in the row and left out."""
    upright: list[np.ndarray] = []
    turned: dict[int, list[np.ndarray | None]] = {1: [], 2: [], 3: []}
    for path in sorted(folder.glob("*.jpg")):
        picture = np.asarray(Image.open(path).convert("RGB"))
        face = largest_face(detector, picture)
        if face is None:
            continue
        upright.append(align_face(picture, face.alignment_points, model.template, model.size))
        for quarters, crops in turned.items():
            other = np.ascontiguousarray(np.rot90(picture, quarters))
            found = largest_face(detector, other)
            points = None if found is None else found.alignment_points
            crops.append(None if points is None else align_face(other, points, model.template, model.size))
    expected, rows = model.read(np.stack(upright)).affect, []
    for quarters, crops in turned.items():
        found_in = [index for index, crop in enumerate(crops) if crop is not None]
        name = f"picture turned {quarters * 90} degrees, found in {len(found_in)} of {len(crops)}"
        if not found_in:
            rows.append((name, float("nan"), float("nan"), float("nan")))
            continue
        answers = model.read(np.stack([crop for crop in crops if crop is not None]))
        valence, arousal = np.abs(answers.affect - expected[found_in]).mean(axis=0)
        rows.append((name, float(valence), float(arousal), float((answers.faceness >= 0.5).mean())))
    return rows


def drift(model: ServedModel, crops: list[np.ndarray]) -> list[tuple[str, float, float, float]]:
    """For each change: its name, mean absolute drift of valence and arousal, share kept at faceness .5. The crops may
    be larger than the model's; they are changed first and shrunk then, as a picture would be. Sizes that the crops do
    not have are left out."""

    def served(some: list[np.ndarray]) -> np.ndarray:
        return np.stack([scaled(crop, model.size) for crop in some])

    unchanged = model.read(served(crops)).affect
    side, rows = crops[0].shape[0], []
    sizes = {f"face {pixels} px": resized(pixels) for pixels in FACE_PIXELS if pixels < side}
    for name, change in {**sizes, **CHANGES}.items():
        answers = model.read(served([change(crop) for crop in crops]))
        valence, arousal = np.abs(answers.affect - unchanged).mean(axis=0)
        rows.append((name, float(valence), float(arousal), float((answers.faceness >= 0.5).mean())))
    return rows


def table(heading: str, count: int, rows: list[tuple[str, float, float, float]]) -> str:
    head = "| change | valence | arousal | kept at faceness .5 |"
    lines = [f"{heading} ({count} faces)", "", head, "| --- | --- | --- | --- |"]
    lines += [f"| {name} | {valence:.3f} | {arousal:.3f} | {kept:.1%} |" for name, valence, arousal, kept in rows]
    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--faces", type=Path, help="file that prepare wrote")
    parser.add_argument("--pictures", type=Path, help="folder of portraits (*.jpg)")
    parser.add_argument("--detector", type=Path, help="folder of the detector, needed with --pictures")
    parser.add_argument("--limit", type=int, default=1000)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    if options.pictures is not None and options.detector is None:
        parser.error("--pictures needs --detector")
    model = ServedModel(options.model)
    parts = ["# Drift of valence and arousal", "", "Mean absolute change against the unchanged face.", ""]
    if options.pictures is not None:
        detector = Detector(options.detector)
        crops = portrait_faces(options.pictures, detector, model.template)
        rows = [*drift(model, crops), *turned_drift(model, options.pictures, detector)]
        parts.append(table("## Portraits", len(crops), rows))
    if options.faces is not None:
        crops = fer_faces(options.faces, model.size, options.limit)
        parts.append(table("## Faces of val", len(crops), drift(model, crops)))
    options.output.write_text("\n".join(parts))
    print("\n".join(parts))


if __name__ == "__main__":
    main()
