"""Draws a run's log: losses, figures on `val` and the learning rate over the epochs. `train` does it after each epoch.

python -m circumplex_training.curves --run runs/first
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

# Columns of log.csv in each panel; one that a run has not (no votes, no faceness) is left out.
PANELS = {
    "loss on train": ("expression", "affect", "faceness"),
    "val, labelled faces": ("accuracy", "cccValence", "cccArousal"),
    "val, kept as a face": ("facesKept", "kept face", "kept wrong-box", "kept background", "kept drawn"),
    "learning rate": ("rate",),
}


def read_log(path: Path) -> dict[str, list[float]]:
    """Columns of a log.csv, one number an epoch."""
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name]) for row in rows] for name in (rows[0] if rows else ())}


def draw_curves(run: Path) -> Path:
    """Writes `curves.png` beside the run's log.csv."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    columns = read_log(run / "log.csv")
    figure, axes = pyplot.subplots(2, 2, figsize=(10, 7), constrained_layout=True)
    for panel, (title, names) in zip(axes.flat, PANELS.items(), strict=True):
        for name in names:
            if name in columns:
                panel.plot(columns["epoch"], columns[name], marker=".", label=name)
        panel.set(title=title, xlabel="epoch")
        if panel.lines:
            panel.legend(fontsize="small")
        panel.grid(alpha=0.3)
    output = run / "curves.png"
    figure.savefig(output, dpi=110)
    pyplot.close(figure)
    return output


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="folder with log.csv")
    print(draw_curves(parser.parse_args().run))


if __name__ == "__main__":
    main()
