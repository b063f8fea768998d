"""Figures of an exported model, through onnxruntime and with crops as served: Markdown and a plot.

python -m circumplex_training.evaluate --model ../models/affect --faces faces.npz --output report
python -m circumplex_training.evaluate --model ../models/affect --data AFFECTNET_FOLDER_OR_CSV \\
    --detector ../models/detector --output report
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from circumplex_training import metrics
from circumplex_training.data import FacenessSet, FaceSet, load_faceness, load_faces, served_crops
from circumplex_training.labels import CLASSES, affect_proxy
from circumplex_training.prepare import prepare
from circumplex_training.readers import names_its_splits
from circumplex_training.served import Answers, ServedModel

AXES = ("valence", "arousal")


@dataclass(frozen=True)
class Evaluation:
    """What a model says of a set beside what the set says. `rated`, `clear`: N booleans, who has affect, a class."""

    answers: Answers
    affect: np.ndarray
    label: np.ndarray
    rated: np.ndarray
    clear: np.ndarray
    is_proxy: bool

    @property
    def both(self) -> np.ndarray | None:
        """Who has affect and one of the eight expressions, where that is a part of those who have affect: AffectNet's
        first release rates faces without an expression too, the newer one and most papers leave them out."""
        both = self.rated & self.clear
        return both if not self.is_proxy and 0 < both.sum() < self.rated.sum() else None

    @property
    def predicted(self) -> np.ndarray:
        return self.answers.expressions.argmax(axis=1)


def crops_of(faces: FaceSet | FacenessSet, size: int) -> np.ndarray:
    """All crops of a set: N size size 3 uint8."""
    return np.concatenate([served_crops(faces, rows, size) for rows in torch.arange(len(faces)).split(256)])


def run(model: ServedModel, faces: FaceSet) -> Evaluation:
    affect, label = faces.affect.numpy(), faces.majority.numpy()
    rated = ~np.isnan(affect).any(axis=1)
    return Evaluation(model.read(crops_of(faces, model.size)), affect, label, rated, label >= 0, faces.is_proxy)


def summary(result: Evaluation, name: str) -> dict[str, object]:
    """What a card says of a model: accuracy with the number of pictures, recall of each class, affect."""
    predicted, label, clear = result.predicted, result.label, result.clear
    prefix = "proxy" if result.is_proxy else "affect"
    figures: dict[str, object] = {"set": name}
    if clear.any():
        figures |= {
            "majorityAccuracy": round(metrics.accuracy(predicted[clear], label[clear]), 4),
            "majorityPictures": int(clear.sum()),
            "recall": {
                expression: round(float((predicted[label == index] == index).mean()), 3)
                for index, expression in enumerate(CLASSES)
                if (label == index).any()
            },
        }
    for ending, chosen in (("", result.rated), ("WithExpression", result.both)):
        if chosen is None or not chosen.any():
            continue
        for metric in ("CCC", "RMSE"):
            figures[f"{prefix}{metric.capitalize()}{ending}"] = {
                axis: round(metrics.AFFECT_METRICS[metric](*_columns(result, column, chosen)), 4)
                for column, axis in enumerate(AXES)
            }
        figures[f"{prefix}Pictures{ending}"] = int(chosen.sum())
    return figures


def _columns(result: Evaluation, column: int, chosen: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Estimates and labels of one axis: of `chosen`, or of all that are rated."""
    rows = result.rated if chosen is None else chosen
    return result.answers.affect[rows][:, column].astype(np.float64), result.affect[rows][:, column].astype(np.float64)


def report(result: Evaluation, rounds: int = 1000) -> str:
    """The whole report as Markdown without a heading, 95 % intervals by bootstrap over pictures."""
    lines = []
    if result.rated.any():
        kind = "Proxy valence and arousal (worked out from votes)" if result.is_proxy else "Valence and arousal"
        lines += [f"{kind}, {int(result.rated.sum())} pictures; in brackets the bootstrap's middle 95 %.", ""]
        mark = " (proxy)" if result.is_proxy else ""
        lines += _affect_table(result, result.rated, mark, rounds)
        if result.both is not None:
            lines += [
                f"The {int(result.both.sum())} of them that have one of the eight expressions (AffectNet's newer "
                "release has no others):",
                "",
                *_affect_table(result, result.both, mark, rounds),
            ]
        lines += [_baseline(result, mark), "", _uncertainty(result, mark), ""]
    if result.clear.any():
        lines += _expression_lines(result, rounds)
    return "\n".join(lines) + "\n"


def _affect_table(result: Evaluation, chosen: np.ndarray, mark: str, rounds: int) -> list[str]:
    lines = [f"| | valence{mark} | arousal{mark} |", "| --- | --- | --- |"]
    for metric, function in metrics.AFFECT_METRICS.items():
        cells = []
        for column in range(2):
            prediction, target = _columns(result, column, chosen)
            low, high = metrics.bootstrap(function, prediction, target, rounds=rounds)
            cells.append(f"{function(prediction, target):.3f} [{low:.3f}, {high:.3f}]")
        lines.append(f"| {metric} | {cells[0]} | {cells[1]} |")
    return [*lines, ""]


def _baseline(result: Evaluation, mark: str) -> str:
    """Whether the estimates of affect say more than those of the expressions do."""
    implied = affect_proxy(result.answers.expressions[result.rated]).astype(np.float64)
    valence, arousal = (metrics.ccc(implied[:, column], _columns(result, column)[1]) for column in range(2))
    return (
        f"For comparison, CCC{mark} of what the estimated expressions alone imply (probabilities times AffectNet's "
        f"class means): valence {valence:.3f}, arousal {arousal:.3f}."
    )


def _uncertainty(result: Evaluation, mark: str) -> str:
    """The one uncertainty of both axes against the errors of each."""
    error = np.abs(result.answers.affect[result.rated] - result.affect[result.rated]).astype(np.float64)  # N 2
    spread = result.answers.uncertainty[result.rated].astype(np.float64)
    least = np.isclose(spread, spread.min(), rtol=1e-4).mean()
    of_spread, of_error = (np.sqrt(np.mean(values**2)) for values in (spread, error))
    valence, arousal = (error <= spread[:, None]).mean(axis=0)
    return (
        f"Uncertainty (one deviation, for both axes): root mean square {of_spread:.3f}, that of the error{mark} "
        f"{of_error:.3f}. The error lies within it for {valence:.1%} of valences and {arousal:.1%} of arousals (of "
        f"normal errors 68.3 % would). Its correlation with the mean absolute error is "
        f"{metrics.pcc(spread, error.mean(axis=1)):.3f}. {least:.1%} of the faces have the least, "
        f"{spread.min():.4f}."
    )


def _expression_lines(result: Evaluation, rounds: int) -> list[str]:
    predicted, label = result.predicted[result.clear], result.label[result.clear]
    scores = []
    for metric, function in metrics.EXPRESSION_METRICS.items():
        low, high = metrics.bootstrap(function, predicted, label, rounds=rounds)
        scores.append(f"{metric} {function(predicted, label):.4f} [{low:.4f}, {high:.4f}]")
    confidence = result.answers.expressions[result.clear].max(axis=1)
    error, _ = metrics.calibration(confidence, predicted == label)
    table = metrics.confusion(predicted, label, len(CLASSES))
    names = [name.lower() for name in CLASSES]
    lines = [
        f"Expressions, {len(label)} pictures: {'; '.join(scores)}; expected calibration error {error:.3f} (15 bins).",
        "",
        "Confusion, a row for each label:",
        "",
        "| label | " + " | ".join(names) + " | recall |",
        "| --- |" + " --- |" * (len(names) + 1),
    ]
    for index, name in enumerate(names):
        total = table[index].sum()
        recall = f"{table[index, index] / total:.3f}" if total else "none"
        lines.append(f"| {name} | " + " | ".join(str(count) for count in table[index]) + f" | {recall} |")
    return [*lines, ""]


def faceness_lines(model: ServedModel, faces: FaceSet, others: FacenessSet) -> list[str]:
    """How many crops survive at faceness .5, by what they are."""
    lines = ["Kept at faceness .5:", "", "| crops | number | kept |", "| --- | --- | --- |"]
    kept = model.read(crops_of(faces, model.size)).faceness >= 0.5
    lines.append(f"| faces of the set | {len(kept)} | {kept.mean():.2%} |")
    kept = model.read(crops_of(others, model.size)).faceness >= 0.5
    names = {
        "wrong-box": "wrong boxes of photographs held back",
        "background": "random places of photographs held back",
        "drawn": "crops of drawn pages held back",
        "face": "natural faces held back",
    }
    for kind, name in names.items():
        of_kind = others.kind == kind
        if of_kind.any():
            lines.append(f"| {name} | {of_kind.sum()} | {kept[of_kind].mean():.2%} |")
    return [*lines, ""]


def plot(result: Evaluation, name: str, path: Path) -> None:
    """Estimates against labels, the confusion and the calibration, as far as the set has labels."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 2, figsize=(9, 8.5), constrained_layout=True)
    mark = " (proxy)" if result.is_proxy else ""
    for column, axis in enumerate(AXES):
        panel = axes[0, column]
        if result.rated.any():
            prediction, target = _columns(result, column)
            panel.hexbin(target, prediction, gridsize=40, extent=(-1, 1, -1, 1), bins="log", cmap="viridis", mincnt=1)
        panel.plot([-1, 1], [-1, 1], color="grey", linewidth=0.8)
        panel.set(xlabel=f"label: {axis}{mark}", ylabel=f"estimate: {axis}", xlim=(-1, 1), ylim=(-1, 1))
    if result.clear.any():
        predicted, label = result.predicted[result.clear], result.label[result.clear]
        table = metrics.confusion(predicted, label, len(CLASSES)).astype(float)
        shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
        axes[1, 0].imshow(shares, cmap="Blues", vmin=0, vmax=1)
        names = [expression.lower() for expression in CLASSES]
        axes[1, 0].set_xticks(range(8), names, rotation=60)
        axes[1, 0].set_yticks(range(8), names)
        axes[1, 0].set(xlabel="estimate", ylabel="label", title="share of each label")
        for row, column in np.ndindex(8, 8):
            if shares[row, column] >= 0.01:
                colour = "white" if shares[row, column] > 0.5 else "black"
                text = f"{shares[row, column]:.2f}"
                axes[1, 0].text(column, row, text, ha="center", va="center", fontsize=7, color=colour)
        confidence = result.answers.expressions[result.clear].max(axis=1)
        error, bins = metrics.calibration(confidence, predicted == label)
        used = bins[bins[:, 2] > 0]
        axes[1, 1].plot([0, 1], [0, 1], color="grey", linewidth=0.8)
        axes[1, 1].plot(used[:, 0], used[:, 1], marker="o")
        axes[1, 1].set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
        axes[1, 1].set_title(f"calibration, expected error {error:.3f}")
    figure.suptitle(name)
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="folder with model.onnx and card.json")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--faces", type=Path, help="file that prepare wrote")
    source.add_argument("--data", type=Path, help="a set that prepare reads")
    parser.add_argument("--detector", type=Path, help="folder of the detector, needed with --data")
    parser.add_argument("--faceness", type=Path, help="file that faceness wrote")
    parser.add_argument(
        "--split",
        choices=("train", "val", "all"),
        help="default: val. Must be given for a CSV or annotations alone, which do not say what is val",
    )
    parser.add_argument("--name", help="what the report calls the set; default: the file's name and split")
    parser.add_argument("--output", type=Path, required=True, help="folder for report.md, plot.png and figures.json")
    options = parser.parse_args()
    if options.data is not None and options.detector is None:
        parser.error("--data needs --detector")
    if options.split is None and options.data is not None and not names_its_splits(options.data):
        parser.error(
            f"{options.data} does not say what is val: --split all reads every row (of a set that nothing was trained "
            "on), --split val the tenth that train --data held back"
        )
    split = options.split or "val"
    model = ServedModel(options.model)
    with tempfile.TemporaryDirectory() as scratch:
        path = options.faces
        if path is None:
            path = Path(scratch) / "faces.npz"
            prepare(options.data, options.detector, path, split)
        faces = load_faces(path, split)
    if len(faces) == 0:
        raise SystemExit(f"the set has no faces in the split {split}")
    name = options.name or f"{(options.faces or options.data).stem} {split}"
    result = run(model, faces)
    text = f"# Figures on {name}\n\n{report(result)}"
    if options.faceness is not None:
        text += "\n".join(faceness_lines(model, faces, load_faceness(options.faceness, "val")))
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "report.md").write_text(text)
    (options.output / "figures.json").write_text(json.dumps(summary(result, name), indent=2) + "\n")
    plot(result, name, options.output / "plot.png")
    print(text)


if __name__ == "__main__":
    main()
