"""Leaves out one component at a time, the same small budget for all, and writes one table.

A budget that two cores can pay teaches a network from nothing little, whatever it is made of. With `--start-from` all
variants therefore begin with the same trunk: that of a trained run, taught anew for `--trunk-epochs` without either
attention, so that it favours none. Attention, second level and heads begin from nothing.

python -m circumplex_training.ablate --faces ferplus.npz --start-from runs/first/checkpoint.pt --runs runs/ablation \\
    --epochs 3 --train-limit 8000 --output ablation.md
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from circumplex_training.losses import Tasks
from circumplex_training.network import Design
from circumplex_training.train import Settings, fit

# Single tasks learn one axis and nothing else (faceness apart), so they have no expressions to be right about.
VARIANTS: dict[str, tuple[Design, Tasks]] = {
    "whole": (Design(), Tasks()),
    "without attention 1 (regions)": (Design(region_attention=False), Tasks()),
    "without attention 2 (layers)": (Design(layer_attention=False), Tasks()),
    "without either attention": (Design(region_attention=False, layer_attention=False), Tasks()),
    "single task: valence": (Design(), Tasks(columns=(0,), expression=False)),
    "single task: arousal": (Design(), Tasks(columns=(1,), expression=False)),
    "affect loss: 1 - CCC": (Design(), Tasks(affect="ccc")),
    "affect loss: MSE": (Design(), Tasks(affect="mse")),
    "affect loss: Tukey": (Design(), Tasks(affect="tukey")),
}
NEITHER = Design(region_attention=False, layer_attention=False)
TRUNK = ("stem.", "stages.")
FIGURES = ("accuracy", "cccValence", "cccArousal")


def shown(figure: str, values: list[float], tasks: Tasks) -> str:
    """Mean and, in brackets, each seed's value; a dash where the variant does not learn the figure."""
    column = {"cccValence": 0, "cccArousal": 1}.get(figure)
    learnt = tasks.expression if column is None else column in tasks.columns
    if not learnt:
        return "-"
    return f"{np.mean(values):.3f} ({', '.join(f'{value:.3f}' for value in values)})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=Path, required=True)
    parser.add_argument("--faceness", type=Path)
    parser.add_argument("--runs", type=Path, required=True, help="folder of the runs; finished ones are not run again")
    parser.add_argument("--output", type=Path, required=True, help="Markdown file")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--batch", type=int, default=128, help="smaller ones give a small budget more steps")
    parser.add_argument("--rate", type=float, default=2e-3, help="peak learning rate")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--train-limit", type=int, help="use so many training faces alone")
    parser.add_argument("--size", type=int, default=36, help="crop side in pixels that all train at; val is read at 48")
    parser.add_argument("--start-from", type=Path, help="checkpoint of a trained run, for the trunk")
    parser.add_argument("--trunk-epochs", type=int, default=3, help="epochs of all faces without either attention")
    parser.add_argument("--only", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    options = parser.parse_args()

    budget = Settings(
        options.faces, options.runs, faceness=options.faceness, epochs=options.epochs, batch=options.batch,
        rate=options.rate, coarse_size=options.size, coarse_share=1.0, mixed_share=0.0,
        train_limit=options.train_limit,
    )  # fmt: skip

    trunk = None
    if options.start_from is not None:
        trunk = options.runs / "trunk" / "checkpoint.pt"
        whole = replace(
            budget,
            run=trunk.parent,
            seed=0,
            start_from=options.start_from,
            epochs=options.trunk_epochs,
            train_limit=None,
        )
        fit(whole, NEITHER, Tasks(), TRUNK)
    rows = []
    for name in options.only:
        design, tasks = VARIANTS[name]
        figures: dict[str, list[float]] = {figure: [] for figure in FIGURES}
        for seed in options.seeds:
            run = options.runs / f"{''.join(letter if letter.isalnum() else '-' for letter in name)}-{seed}"
            done = run / "figures.json"
            if not done.exists():
                done.parent.mkdir(parents=True, exist_ok=True)
                done.write_text(
                    json.dumps(fit(replace(budget, run=run, seed=seed, start_from=trunk), design, tasks, TRUNK))
                )
            result = json.loads(done.read_text())
            for figure in FIGURES:
                figures[figure].append(result[figure])
        rows.append(f"| {name} | " + " | ".join(shown(figure, figures[figure], tasks) for figure in FIGURES) + " |")
        print(rows[-1], flush=True)
    start = "" if trunk is None else f", from one trunk taught {options.trunk_epochs} epochs without either attention"
    lines = [
        f"Each variant: {options.epochs} epochs of {options.train_limit or 'all'} training faces at {options.size} "
        f"pixels in batches of {options.batch}{start}, seeds {options.seeds}; mean on val and, in brackets, each seed. "
        "Valence and arousal are a proxy where the set has expression votes alone.",
        "",
        "| variant | accuracy | CCC valence (proxy) | CCC arousal (proxy) |",
        "| --- | --- | --- | --- |",
        *rows,
    ]
    options.output.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
