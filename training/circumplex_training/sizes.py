"""What a larger or smaller crop would give and cost: a trained run goes on for a few epochs at each size, is exported
for that size, and is evaluated and timed through onnxruntime. Writes one Markdown table.

python -m circumplex_training.sizes --faces ferplus.npz --start-from runs/first/checkpoint.pt --runs runs/sizes \\
    --output sizes.md
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from circumplex_training.data import load_faces
from circumplex_training.evaluate import run, summary
from circumplex_training.export import load_network, make_card, write_onnx
from circumplex_training.losses import Tasks
from circumplex_training.network import Design
from circumplex_training.served import ServedModel
from circumplex_training.speed import multiply_adds
from circumplex_training.train import Settings, fit

TIMINGS = 6


def train_at(size: int, options: argparse.Namespace) -> Path:
    """The folder of the model that was trained and exported at a size."""
    folder = options.runs / f"{size}"
    settings = Settings(
        options.faces, folder, epochs=options.epochs, batch=options.batch, rate=options.rate, coarse_size=size,
        coarse_share=1.0, start_from=options.start_from, mixed_share=0.0, train_limit=options.train_limit,
        seed=options.seed,
    )  # fmt: skip
    fit(settings, Design(), Tasks())
    network, saved = load_network(folder / "checkpoint.pt")
    parity = write_onnx(network, folder / "model.onnx", size)
    card = make_card(
        folder / "model.onnx", version="0", data="", epochs=saved["epoch"], parameters=0, parity=parity, size=size
    )
    (folder / "card.json").write_text(json.dumps(card))
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=Path, required=True)
    parser.add_argument("--start-from", type=Path, required=True, help="checkpoint of a trained run")
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--sizes", type=int, nargs="+", default=[36, 40, 48, 56, 64])
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--train-limit", type=int, default=6000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=3e-4)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    models = [ServedModel(train_at(size, options)) for size in options.sizes]
    val = load_faces(options.faces, "val")
    figures = [summary(run(model, val), "val") for model in models]
    # In turn, so that what else the machine does meets all alike.
    timings = [[model.faces_a_second()[0] for model in models] for _ in range(TIMINGS)]
    lines = [
        f"{options.epochs} more epochs of {options.train_limit} faces at each size, batch {options.batch}, rate "
        f"{options.rate:g}, seed {options.seed}; one thread, batch 8.",
        "",
        "| crop | multiply-adds a face | faces a second | accuracy | CCC valence | CCC arousal |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for size, model, figure, best in zip(options.sizes, models, figures, np.max(timings, axis=0), strict=True):
        ccc = figure.get("proxyCcc") or figure.get("affectCcc") or {"valence": "-", "arousal": "-"}
        accuracy, cost = figure.get("majorityAccuracy", "-"), multiply_adds(model.path) / 1e6
        lines.append(f"| {size} px | {cost:.0f} M | {best:.0f} | {accuracy} | {ccc['valence']} | {ccc['arousal']} |")
    options.output.write_text("\n".join([*lines, ""]))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
