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
from circumplex_training.data import FaceSet, load_faceness, load_faces
from circumplex_training.detector import Detector
from circumplex_training.served import ServedModel
from circumplex_training.yunet import YuNet


def filled(card: str, blocks: dict[str, str]) -> str:
    """The card with each block between its marks. A ValueError names a mark that is missing."""
    for name, block in blocks.items():
        text = block.strip()
        between = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- /{re.escape(name)} -->)", re.DOTALL)
        found = between.search(card)
        if found is None:
            raise ValueError(f"the card has no <!-- {name} --> with its <!-- /{name} -->")
        card = f"{card[: found.start()]}{found[1]}\n{text}\n\n{found[2]}{card[found.end() :]}"
    return card


def items(lines: list[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def variants(model: Path, int8: Path) -> str:
    """Both files side by side, from the one run of `quantize` that wrote the variant."""
    figures = json.loads((int8 / "figures.json").read_text())
    lines = ["| file | bytes | accuracy | faces a second, best |", "| --- | --- | --- | --- |"]
    for name, kind in ((f"`models/{model.name}` (fp32)", "fp32"), (f"`models/{int8.name}`", "int8")):
        one = figures[kind]
        lines.append(f"| {name} | {one['bytes']:,} | {one['majorityAccuracy']:.4f} | {one['facesASecondBest']} |")
    gain, lost = (figures["int8AgainstFp32"][name] for name in ("timesAsFast", "accuracyLostPoints"))
    difference = f"{abs(lost):.2f} points {'less' if lost >= 0 else 'more'} accurate"
    return "\n".join([*lines, "", f"int8 is {gain} times as fast as fp32, and {difference}."])


def by_face_size(model: ServedModel, faces: FaceSet, pixels: tuple[int, ...] = (12, 16, 24, 36, 48)) -> str:
    """Figures of a set with votes, as if its faces had been so many pixels wide when they were filmed."""
    crops, rated, clear = (
        evaluate.crops_of(faces, model.size),
        ~np.isnan(faces.affect.numpy()).any(1),
        faces.majority.numpy() >= 0,
    )
    lines = [
        "| face | accuracy | CCC valence (proxy) | CCC arousal (proxy) | kept at faceness .5 |",
        "| --- |" + " --- |" * 4,
    ]
    for side in pixels:
        change = robustness.resized(side)
        answers = model.read(np.stack([change(crop) for crop in crops]))
        right = metrics.accuracy(answers.expressions.argmax(axis=1)[clear], faces.majority.numpy()[clear])
        ccc = [metrics.ccc(answers.affect[rated, axis], faces.affect.numpy()[rated, axis]) for axis in range(2)]
        kept = (answers.faceness >= 0.5).mean()
        lines.append(f"| {side} px | {right:.4f} | {ccc[0]:.3f} | {ccc[1]:.3f} | {kept:.2%} |")
    return "\n".join(lines)


def measured(options: argparse.Namespace) -> dict[str, str]:
    """Every block of the card, by its name."""
    model, detector = ServedModel(options.model), Detector(options.detector)
    faces, others = load_faces(options.faces, "val"), load_faceness(options.faceness, "val")
    report = evaluate.report(evaluate.run(model, faces), options.set_name).split("\n", 2)[2]
    boxes = [
        *check.check_clip(model, detector, options.clips / "no_face.mp4", 1),
        *check.check_clip(model, detector, options.clips / "face_noface.mov", 5),
        *check.check_scenes(model, detector, YuNet(options.yunet), options.scenes, "val"),
    ]
    portraits = robustness.portrait_faces(options.pairs, detector, model.template, model.size * 4)
    val = robustness.fer_faces(options.faces, model.size, 1000)
    drifts = [
        robustness.table(title, len(crops), robustness.drift(model, crops)).replace("## ", "### ", 1)
        for title, crops in (("Portraits", portraits), ("Faces of val", val))
    ]
    return {
        "accuracy": report,
        "pairs": items(check.check_pairs(model, detector, options.pairs)),
        "faceness": "\n".join(evaluate.faceness_lines(model, faces, others)),
        "boxes": items(boxes),
        "steadiness": check.check_stability(model, detector, options.clips / "single_face.mp4"),
        "variants": variants(options.model, options.int8),
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
    parser.add_argument("--set-name", default="FER+ val")
    parser.add_argument("--card", type=Path, required=True, help="Markdown with the marks of every block")
    options = parser.parse_args()
    options.card.write_text(filled(options.card.read_text(), measured(options)))


if __name__ == "__main__":
    main()
