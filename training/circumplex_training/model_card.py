"""Measures a model and its int8 variant and writes the figures into the model card, between `<!-- NAME -->` and
`<!-- /NAME -->`: no figure there is copied by hand.

python -m circumplex_training.model_card --model ../models/affect --int8 ../models/affect-int8 --faces ferplus.npz \\
    --faceness faceness.npz --detector ../models/detector --pairs london --clips clips --scenes scenes \\
    --yunet yunet.onnx --card ../docs/model-card.md
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

import numpy as np

from circumplex_training import check, evaluate, metrics, robustness
from circumplex_training.copies import CORRELATION, SIDE, near_copies
from circumplex_training.data import FaceSet, load_faceness, load_faces
from circumplex_training.detector import Detector
from circumplex_training.served import ServedModel
from circumplex_training.yunet import YuNet

# In the order in which the card has them.
BLOCKS = ("accuracy", "pairs", "faceness", "boxes", "steadiness", "variants", "face sizes", "robustness")


def filled(card: str, blocks: dict[str, str]) -> str:
    """The card with each block between its marks. A ValueError names a mark that is missing."""
    for name, block in blocks.items():
        between = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- /{re.escape(name)} -->)", re.DOTALL)
        found = between.search(card)
        if found is None:
            raise ValueError(f"the card has no <!-- {name} --> with its <!-- /{name} -->")
        card = f"{card[: found.start()]}{found[1]}\n{block.strip()}\n\n{found[2]}{card[found.end() :]}"
    return card


def items(lines: list[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def variants(model: Path, int8: Path) -> str:
    """Both files side by side, from the one run of `quantize` that wrote the variant. A ValueError where that was not
    made of this model."""
    path = int8 / "figures.json"
    if not path.exists():
        raise ValueError(f"there is no {path}: run quantize with --output {int8}")
    figures, card = json.loads(path.read_text()), json.loads((model / "card.json").read_text())
    if figures["fp32"]["sha256"] != card["sha256"]:
        raise ValueError(f"{path} is of another model than {model}: run quantize again")
    lines = [f"One thread, batch 8, on {figures['processor']}:", ""]
    lines += ["| file | bytes | accuracy | faces a second, best |", "| --- | --- | --- | --- |"]
    for name, kind in ((f"`models/{model.name}` (fp32)", "fp32"), (f"`models/{int8.name}`", "int8")):
        one = figures[kind]
        lines.append(f"| {name} | {one['bytes']:,} | {one['majorityAccuracy']:.4f} | {one['facesASecondBest']} |")
    against = figures["int8AgainstFp32"]
    lost, drift = against["accuracyLostPoints"], against["affectDifference"]
    pictures = round(abs(lost) / 100 * figures["fp32"]["majorityPictures"])
    lines += [
        "",
        f"int8 is {against['timesAsFast']} times as fast as fp32, and right of {pictures} pictures "
        f"{'fewer' if lost >= 0 else 'more'} ({abs(lost):.2f} points). Its valence and arousal differ by "
        f"{drift['mean']:.4f} on average, {drift['most']:.3f} at most.",
    ]
    return "\n".join(lines)


def without_copies(result: evaluate.Evaluation, copied: np.ndarray) -> str:
    """Accuracy without the pictures that have a near copy in `train`."""
    kept = result.clear & ~copied
    accuracy = metrics.accuracy(result.predicted[kept], result.label[kept])
    return (
        f"{copied.sum()} of {len(copied)} pictures have a near copy in `train` (`copies`: a correlation over "
        f"{CORRELATION} at {SIDE} pixels a side, as they are or mirrored). Without them the expressions' accuracy is "
        f"{accuracy:.4f} on {kept.sum()} pictures."
    )


def by_face_size(model: ServedModel, faces: FaceSet, pixels: tuple[int, ...] = (12, 16, 24, 36, 48)) -> str:
    """Figures of a set with votes whose aligned crops are shrunk to so many pixels and enlarged again: an upper bound
    for faces that are small, because these were found and aligned at full size."""
    crops, affect, label = evaluate.crops_of(faces, model.size), faces.affect.numpy(), faces.majority.numpy()
    rated, clear = ~np.isnan(affect).any(axis=1), label >= 0
    lines = [
        "| face | accuracy | CCC valence (proxy) | CCC arousal (proxy) | kept at faceness .5 |",
        "| --- |" + " --- |" * 4,
    ]
    for side in pixels:
        change = robustness.resized(side)
        answers = model.read(np.stack([change(crop) for crop in crops]))
        right = metrics.accuracy(answers.expressions.argmax(axis=1)[clear], label[clear])
        ccc = [metrics.ccc(answers.affect[rated, axis], affect[rated, axis]) for axis in range(2)]
        kept = (answers.faceness >= 0.5).mean()
        lines.append(f"| {side} px | {right:.4f} | {ccc[0]:.3f} | {ccc[1]:.3f} | {kept:.2%} |")
    return "\n".join(lines)


def measured(options: argparse.Namespace) -> dict[str, str]:
    """Every block of the card, by its name, in the order of BLOCKS."""
    files = variants(options.model, options.int8)
    model, detector = ServedModel(options.model), Detector(options.detector)
    faces, others = load_faces(options.faces, "val"), load_faceness(options.faceness, "val")
    copied = near_copies(*(load_faces(options.faces, split).pictures[:, 0].numpy() for split in ("val", "train")))
    result = evaluate.run(model, faces)
    boxes = [
        *check.check_clip(model, detector, options.clips / "no_face.mp4", 1),
        *check.check_clip(model, detector, options.clips / "face_noface.mov", 5),
        *check.check_scenes(model, detector, YuNet(options.yunet), options.scenes, "val"),
    ]
    portraits = robustness.portrait_faces(options.pairs, detector, model.template)
    val = robustness.fer_faces(options.faces, model.size, 1000)
    turned = robustness.turned_drift(model, options.pairs, detector)
    drifts = [
        robustness.table("### Portraits", len(portraits), [*robustness.drift(model, portraits), *turned]),
        robustness.table("### Faces of val", len(val), robustness.drift(model, val)),
    ]
    return {
        "accuracy": f"{evaluate.report(result)}\n{without_copies(result, copied)}",
        "pairs": items(check.check_pairs(model, detector, options.pairs)),
        "faceness": "\n".join(evaluate.faceness_lines(model, faces, others)),
        "boxes": items(boxes),
        "steadiness": check.check_stability(model, detector, options.clips / "single_face.mp4"),
        "variants": files,
        "face sizes": by_face_size(model, faces),
        "robustness": "\n".join(drifts),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--int8", type=Path, required=True, help="folder that quantize wrote, with figures.json")
    parser.add_argument("--faces", type=Path, required=True, help="file that prepare wrote")
    parser.add_argument("--faceness", type=Path, required=True, help="file that faceness wrote")
    parser.add_argument("--detector", type=Path, required=True)
    parser.add_argument("--pairs", type=Path, required=True, help="as for check, and the portraits of robustness")
    parser.add_argument("--clips", type=Path, required=True, help="as for check")
    parser.add_argument("--scenes", type=Path, required=True, help="as for check")
    parser.add_argument("--yunet", type=Path, required=True)
    parser.add_argument("--card", type=Path, required=True, help="Markdown with the marks of every block")
    options = parser.parse_args()
    filled(options.card.read_text(), dict.fromkeys(BLOCKS, ""))  # a missing mark shall not cost minutes
    blocks = measured(options)
    options.card.write_text(filled(options.card.read_text(), blocks))


if __name__ == "__main__":
    main()
