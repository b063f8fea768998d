"""Checks of a served model on pictures that it never trains on: pairs of one person, and clips with and without faces.

python -m circumplex_training.check --model ../models/affect --detector ../models/detector --pairs FOLDER \\
    --clips FOLDER --scenes FOLDER --yunet yunet.onnx
"""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path

import numpy as np
from PIL import Image

from circumplex_training.alignment import align_face
from circumplex_training.detector import Detector, Face, overlap
from circumplex_training.faceness import is_held_back, possible_faces, touches
from circumplex_training.served import ServedModel
from circumplex_training.yunet import YuNet

# Inside this intensity an estimate has no quadrant: `src/estimates` calls it neutral.
DEAD_ZONE = 0.15
NEEDED_DIFFERENCE = 0.5
LEAST_FACE_PIXELS = 24  # what the robustness report begins with
SMOOTHING_SECONDS = 0.5  # the server's default


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


def smoothed(affect: np.ndarray, seconds_a_frame: float, time_constant_seconds: float) -> np.ndarray:
    """N x 2 estimates as the server smooths them (`src/estimates/smoother.ts`): the first passes through, each later
    one counts with 1 - exp(-dt / time constant)."""
    weight, values = -np.expm1(-seconds_a_frame / time_constant_seconds), [affect[0]]
    for estimate in affect[1:]:
        values.append(values[-1] + weight * (estimate - values[-1]))
    return np.stack(values)


def frames_a_second(clip: Path) -> float:
    command = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "stream=avg_frame_rate"]
    told = subprocess.run([*command, "-of", "csv=p=0", str(clip)], capture_output=True, text=True, check=True).stdout
    frames, seconds = told.strip().strip(",").split("/")
    return float(frames) / float(seconds)


def check_stability(model: ServedModel, detector: Detector, clip: Path) -> str:
    """Standard deviation of the change from frame to frame, raw and smoothed: one face, always the largest."""
    crops = [
        crop_of(model, frame, face) for frame in frames_of(clip) if (face := largest_face(detector, frame)) is not None
    ]
    affect, rate = model.read(np.stack(crops)).affect, frames_a_second(clip)
    raw = np.diff(affect, axis=0).std(axis=0)
    smooth = np.diff(smoothed(affect, 1 / rate, SMOOTHING_SECONDS), axis=0).std(axis=0)
    return (
        f"{clip.name}: {len(crops)} frames at {rate:.0f} a second, deviation of the change: valence {raw[0]:.4f}, "
        f"arousal {raw[1]:.4f}; smoothed over {SMOOTHING_SECONDS} s: valence {smooth[0]:.4f}, arousal {smooth[1]:.4f}"
    )


def check_scenes(model: ServedModel, detector: Detector, yunet: YuNet, folder: Path, split: str) -> list[str]:
    """Photographs as the detector sees them whole and in overlapping quarters: boxes where another detector, asked
    generously, sees nothing, and how many of them survive; and boxes where both are sure, and how many of those do.

    Of the photographs that `faceness` learns from, the held-back ones alone count with `split` "val"; "all" takes each.
    """
    wrong, right, small, photographs = [], [], [], 0
    for path in sorted(folder.glob("*.jpg")):
        if split == "val" and not is_held_back(path):
            continue
        photographs += 1
        picture = np.asarray(Image.open(path).convert("RGB"))
        maybe, sure = possible_faces(yunet, picture), yunet.boxes(picture, 0.8, 1024)[1]
        height, width = picture.shape[:2]
        parts = [(0, 0, width, height)]
        parts += [(left, top, 2 * width // 3, 2 * height // 3) for top in (0, height // 3) for left in (0, width // 3)]
        for left, top, across, down in parts:
            part = np.ascontiguousarray(picture[top : top + down, left : left + across])
            for face in detector.faces(part, 0.3):
                box = face.box + np.array([left, top, 0, 0])
                if not touches(box, maybe):
                    wrong.append((face.score, crop_of(model, part, face)))
                elif face.score >= 0.5 and any(overlap(box, one) > 0.5 for one in sure):
                    group = right if face.box[2] >= LEAST_FACE_PIXELS else small
                    group.append((face.score, crop_of(model, part, face)))
    lines = [f"{photographs} photographs, whole and in four parts each"]
    looks = [("wrong", wrong, least) for least in (0.3, 0.5, 0.7)]
    looks += [("right", right, 0.5), (f"right, smaller than {LEAST_FACE_PIXELS} pixels,", small, 0.5)]
    for name, some, least in looks:
        crops = [crop for score, crop in some if score >= least]
        faceness = model.read(np.stack(crops)).faceness if crops else np.zeros(0)
        kept = (faceness >= 0.5).sum()
        lines.append(f"scenes: {len(crops)} {name} boxes from a score of {least}, {kept} of them kept at faceness .5")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--detector", type=Path, required=True)
    parser.add_argument("--pairs", type=Path)
    parser.add_argument("--clips", type=Path, help="folder with no_face.mp4, face_noface.mov, single_face.mp4")
    parser.add_argument("--scenes", type=Path, help="folder of photographs, needs --yunet")
    parser.add_argument("--yunet", type=Path)
    parser.add_argument("--split", choices=("val", "all"), default="val", help="which of the photographs")
    options = parser.parse_args()
    model, detector = ServedModel(options.model), Detector(options.detector)
    if options.pairs is not None:
        print("\n".join(check_pairs(model, detector, options.pairs)))
    if options.clips is not None:
        for name, every in (("no_face.mp4", 1), ("face_noface.mov", 5)):
            print("\n".join(check_clip(model, detector, options.clips / name, every)))
        print(check_stability(model, detector, options.clips / "single_face.mp4"))
    if options.scenes is not None:
        yunet = YuNet(options.yunet)
        print("\n".join(check_scenes(model, detector, yunet, options.scenes, options.split)))


if __name__ == "__main__":
    main()
