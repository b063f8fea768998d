"""Checks of a served model on pictures that it never trains on: pairs of one person, and clips with and without faces.

python -m circumplex_training.check --model ../models/affect --detector ../models/detector --pairs FOLDER --clips FOLDER
"""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path

import numpy as np
from PIL import Image

from circumplex_training.alignment import align_face
from circumplex_training.detector import Detector, Face
from circumplex_training.served import ServedModel

# Inside this intensity an estimate has no quadrant: `src/estimates` calls it neutral.
DEAD_ZONE = 0.15
NEEDED_DIFFERENCE = 0.5


def largest_face(detector: Detector, picture: np.ndarray, minimum_score: float = 0.5) -> Face | None:
    faces = detector.faces(picture, minimum_score)
    return max(faces, key=lambda face: face.box[2:].prod(), default=None)


def crop_of(model: ServedModel, picture: np.ndarray, face: Face) -> np.ndarray:
    return align_face(picture, face.alignment_points, model.template, model.size)


def check_pairs(model: ServedModel, detector: Detector, folder: Path) -> list[str]:
    """`NNN-neutral.jpg` and `NNN-smiling.jpg`: the smile must have the higher valence."""
    crops: dict[str, list[np.ndarray]] = {"neutral": [], "smiling": []}
    missed = []
    for neutral in sorted(folder.glob("*-neutral.jpg")):
        pair = []
        for path in (neutral, neutral.with_name(neutral.name.replace("neutral", "smiling"))):
            picture = np.asarray(Image.open(path).convert("RGB"))
            face = largest_face(detector, picture)
            if face is None:
                missed.append(path.name)
                break
            pair.append(crop_of(model, picture, face))
        if len(pair) == 2:
            crops["neutral"].append(pair[0])
            crops["smiling"].append(pair[1])
    answers = {name: model.read(np.stack(some)) for name, some in crops.items()}
    difference = answers["smiling"].affect[:, 0] - answers["neutral"].affect[:, 0]
    inside = np.hypot(*answers["neutral"].affect.T) < DEAD_ZONE
    lines = [
        f"pairs {len(difference)}, without a found face {len(missed)} {missed}",
        f"smiling has the higher valence in {(difference > 0).sum()} of {len(difference)}, mean difference "
        f"{difference.mean():.3f} (wanted: all, {NEEDED_DIFFERENCE}), least {difference.min():.3f}",
        f"neutral faces: mean valence {answers['neutral'].affect[:, 0].mean():.3f}, arousal "
        f"{answers['neutral'].affect[:, 1].mean():.3f}; inside the dead zone of {DEAD_ZONE}: {inside.sum()}",
    ]
    for name, answer in answers.items():
        faceness = answer.faceness
        lines.append(f"{name}: faceness least {faceness.min():.3f}, at .5 or above {(faceness >= 0.5).sum()}")
    return lines


def frames_of(clip: Path, every: int = 1) -> np.ndarray:
    """Frames of a clip, longer side 640 pixels: N H W 3 uint8. Needs ffmpeg and ffprobe."""
    entries = "stream=width,height:stream_side_data=rotation"
    command = [
        "ffprobe",
        "-v",
        "error",
        "-select_streams",
        "v:0",
        "-show_entries",
        entries,
        "-of",
        "csv=p=0",
        str(clip),
    ]
    probe = subprocess.run(command, capture_output=True, text=True, check=True)
    width, height, *rotation = (int(float(part)) for part in probe.stdout.strip().replace("\n", ",").split(",") if part)
    if rotation and rotation[0] % 180:
        width, height = height, width
    scale = min(1, 640 / max(width, height))
    width, height = round(width * scale) // 2 * 2, round(height * scale) // 2 * 2
    filters = f"select=not(mod(n\\,{every})),scale={width}:{height}:flags=area"
    command = ["ffmpeg", "-v", "error", "-i", str(clip), "-vf", filters, "-fps_mode", "passthrough"]
    raw = subprocess.run([*command, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)


def check_clip(model: ServedModel, detector: Detector, clip: Path, every: int) -> list[str]:
    """Boxes of the detector at three scores, and how many of them survive at faceness .5."""
    frames = frames_of(clip, every)
    lines = []
    found = [(face, frame) for frame in frames for face in detector.faces(frame, 0.3)]
    if not found:
        return [f"{clip.name}: {len(frames)} frames, no box from a score of .3"]
    faceness = model.read(np.stack([crop_of(model, frame, face) for face, frame in found])).faceness
    scores = np.array([face.score for face, _ in found])
    for least in (0.3, 0.5, 0.7):
        chosen = scores >= least
        lines.append(
            f"{clip.name}: {len(frames)} frames, {chosen.sum()} boxes from a score of {least}, "
            f"{(faceness[chosen] >= 0.5).sum()} of them kept at faceness .5"
            + (f" (highest faceness {faceness[chosen].max():.3f})" if chosen.any() else "")
        )
    return lines


def check_stability(model: ServedModel, detector: Detector, clip: Path) -> str:
    """Standard deviation of the change from frame to frame, raw: one face, always the largest."""
    crops = [
        crop_of(model, frame, face) for frame in frames_of(clip) if (face := largest_face(detector, frame)) is not None
    ]
    change = np.diff(model.read(np.stack(crops)).affect, axis=0).std(axis=0)
    return (
        f"{clip.name}: {len(crops)} frames, deviation of the change: valence {change[0]:.4f}, arousal {change[1]:.4f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--detector", type=Path, required=True)
    parser.add_argument("--pairs", type=Path)
    parser.add_argument("--clips", type=Path, help="folder with no_face.mp4, face_noface.mov, single_face.mp4")
    options = parser.parse_args()
    model, detector = ServedModel(options.model), Detector(options.detector)
    if options.pairs is not None:
        print("\n".join(check_pairs(model, detector, options.pairs)))
    if options.clips is not None:
        for name, every in (("no_face.mp4", 1), ("face_noface.mov", 5)):
            print("\n".join(check_clip(model, detector, options.clips / name, every)))
        print(check_stability(model, detector, options.clips / "single_face.mp4"))


if __name__ == "__main__":
    main()
