"""Trains the network; goes on from the run's last checkpoint when there is one.

python -m circumplex_training.train --faces ferplus.npz --faceness faceness.npz --run runs/first --epochs 40
python -m circumplex_training.train --data AFFECTNET_FOLDER_OR_CSV --detector ../models/detector --run runs/affectnet
"""

from __future__ import annotations

import argparse
import copy
import csv
import json
import math
import time
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

import torch
from torch import nn
from tqdm import tqdm

from circumplex_training.augmentation import FACENESS_ROWS, training_batch
from circumplex_training.curves import draw_curves
from circumplex_training.data import FacenessSet, FaceSet, joined, load_faceness, load_faces, sample
from circumplex_training.losses import AFFECT_LOSSES, Tasks, concordance, ema_update
from circumplex_training.network import CROP_SIZE, AffectNetwork, Design
from circumplex_training.prepare import prepare, prepared_from
from circumplex_training.shards import Shards
from circumplex_training.warm_start import warm_start

# The last part of a run learns from whole faces: mixed ones would keep the estimates timid.
UNMIXED_FROM = 0.85
EMA_DECAY = 0.995


@dataclass(frozen=True)
class Settings:
    """How a run is trained; `parse` says what each is."""

    faces: Path
    run: Path
    more: Path | None = None
    faceness: Path | None = None
    epochs: int = 40
    minutes: float | None = None
    batch: int = 128
    rate: float = 2e-3
    decay: float = 0.08
    coarse_size: int = 36
    coarse_share: float = 0.35
    warm_start: Path | None = None
    start_from: Path | None = None
    mixed_share: float = 0.25
    train_limit: int | None = None
    shards: int = 2
    precision: str = "bf16"
    seed: int = 1


def parse() -> tuple[Settings, Tasks]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--faces", type=Path, help="file that prepare wrote")
    source.add_argument("--data", type=Path, help="a set that prepare reads; its faces are kept in the run's folder")
    parser.add_argument("--detector", type=Path, help="folder of the detector, needed with --data")
    parser.add_argument("--more", type=Path, help="file that noisy wrote: further faces to train on")
    parser.add_argument(
        "--faceness",
        type=Path,
        help="file that faceness wrote; without it the model cannot tell faces from the detector's mistakes",
    )
    parser.add_argument("--run", type=Path, required=True, help="folder of checkpoints and logs")
    parser.add_argument("--epochs", type=int, default=Settings.epochs)
    parser.add_argument(
        "--minutes",
        type=float,
        help="end by the clock instead of --epochs: the schedule follows the time that has passed",
    )
    parser.add_argument("--batch", type=int, default=Settings.batch)
    parser.add_argument("--rate", type=float, default=Settings.rate, help="peak learning rate of AdamW")
    parser.add_argument("--decay", type=float, default=Settings.decay, help="weight decay of AdamW")
    parser.add_argument("--affect-loss", choices=AFFECT_LOSSES, default=Tasks.affect)
    parser.add_argument(
        "--coarse-size",
        type=int,
        default=Settings.coarse_size,
        help="crop side in pixels of the first part of the run",
    )
    parser.add_argument(
        "--coarse-share", type=float, default=Settings.coarse_share, help="how long that part is, 0 to 1"
    )
    parser.add_argument("--warm-start", type=Path, help="exported model.onnx whose weights a new run starts from")
    parser.add_argument(
        "--start-from", type=Path, help="checkpoint whose weights a new run starts from, where they fit"
    )
    parser.add_argument(
        "--mixed-share", type=float, default=Settings.mixed_share, help="share of faces that are blended (mixup)"
    )
    parser.add_argument("--train-limit", type=int, help="use so many training faces alone")
    parser.add_argument(
        "--shards", type=int, default=Settings.shards, help="threads that each work on a part of a batch (CPU)"
    )
    parser.add_argument(
        "--precision",
        choices=("bf16", "fp32"),
        default=Settings.precision,
        help="of the training steps; some processors are faster in fp32",
    )
    parser.add_argument("--seed", type=int, default=Settings.seed)
    options = parser.parse_args()
    if options.data is not None:
        if options.detector is None:
            parser.error("--data needs --detector")
        options.faces = options.run / "faces.npz"
        if not options.faces.exists():
            options.run.mkdir(parents=True, exist_ok=True)
            prepare(options.data, options.detector, options.faces)
        elif (source := prepared_from(options.faces)) != str(options.data.resolve()):
            parser.error(f"{options.faces} was made of {source}: take another --run for another set")
    return Settings(**{field.name: getattr(options, field.name) for field in fields(Settings)}), Tasks(
        affect=options.affect_loss
    )


def evaluate(network: AffectNetwork, faces: FaceSet, faceness: FacenessSet | None = None) -> dict[str, float]:
    """Accuracy and concordance of a split, and the share of right faceness, without augmentation."""
    network.eval()
    affects, predictions, face_scores, others = [], [], [], []
    # Half precision: these figures steer, those of the exported network count.
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        for rows in torch.arange(len(faces)).split(256):
            pictures = sample(faces.pictures[rows], faces.transforms[rows], CROP_SIZE)
            readings = network(pictures.contiguous(memory_format=torch.channels_last))
            affects.append(readings.affect.float())
            predictions.append(readings.logits.argmax(dim=1))
            face_scores.append(readings.faceness.float())
        for rows in () if faceness is None else torch.arange(len(faceness)).split(256):
            pictures = sample(faceness.pictures[rows], faceness.transforms[rows], CROP_SIZE)
            others.append(network(pictures.contiguous(memory_format=torch.channels_last)).faceness.float())
    clear, rated = faces.majority >= 0, ~faces.affect.isnan().any(dim=1)
    figures = {"accuracy": float("nan"), "cccValence": float("nan"), "cccArousal": float("nan")}
    if clear.any():
        figures["accuracy"] = (torch.cat(predictions)[clear] == faces.majority[clear]).float().mean().item()
    if rated.sum() > 1:
        ccc = concordance(torch.cat(affects)[rated], faces.affect[rated]).tolist()
        figures |= {"cccValence": ccc[0], "cccArousal": ccc[1]}
    figures["facesKept"] = (torch.cat(face_scores) > 0).float().mean().item()
    if faceness is not None:
        kept = torch.cat(others) > 0
        for kind in FACENESS_ROWS:
            figures[f"kept {kind}"] = kept[torch.from_numpy(faceness.kind == kind)].float().mean().item()
    return figures


def rate_at(progress: float, peak: float) -> float:
    """Linear warm-up over 4 % of the run, then a half cosine down to 0.5 % of the peak. `progress` 0 to 1."""
    if progress < 0.04:
        return peak * max(0.02, progress / 0.04)
    return peak * (0.005 + 0.995 * 0.5 * (1 + math.cos(math.pi * (progress - 0.04) / 0.96)))


def quality(figures: dict[str, float]) -> float:
    """What the best checkpoint is chosen by: accuracy, or concordance where the set has no expressions."""
    if not math.isnan(figures["accuracy"]):
        return figures["accuracy"]
    return (figures["cccValence"] + figures["cccArousal"]) / 2


def make_optimizer(network: nn.Module, rate: float, decay: float) -> torch.optim.AdamW:
    """AdamW that decays matrices and kernels, not biases and norms."""
    weights = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    rest = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
    return torch.optim.AdamW(
        [{"params": weights, "weight_decay": decay}, {"params": rest, "weight_decay": 0.0}], lr=rate, betas=(0.9, 0.99)
    )


def start_from(network: nn.Module, checkpoint: Path, parts: tuple[str, ...] = ("",)) -> int:
    """Takes the averaged weights of another run where name and shape agree and the name begins with one of `parts`;
    returns how many tensors did."""
    given = torch.load(checkpoint, map_location="cpu", weights_only=True)["average"]
    own = network.state_dict()
    fitting = {
        name: value
        for name, value in given.items()
        if name.startswith(parts) and name in own and own[name].shape == value.shape
    }
    network.load_state_dict({**own, **fitting})
    return len(fitting)


def append_log(path: Path, row: dict[str, float]) -> None:
    fresh = not path.exists()
    with open(path, "a", newline="") as file:
        writer = csv.DictWriter(file, row.keys())
        if fresh:
            writer.writeheader()
        writer.writerow(row)


def save(state: dict, path: Path) -> None:
    """Writes beside and renames: a kill leaves the old file or the new one."""
    torch.save(state, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)


def fit(settings: Settings, design: Design, tasks: Tasks, start_parts: tuple[str, ...] = ("",)) -> dict[str, float]:
    """Trains as `settings` say and returns the last epoch's figures on `val`. `start_parts`: what of `start_from` is
    taken, by the beginnings of names."""
    settings.run.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(settings.seed)
    train, val = (load_faces(settings.faces, split) for split in ("train", "val"))
    if settings.more is not None:
        train = joined(train, load_faces(settings.more, "train"))
    if settings.train_limit is not None:
        train = train.first(settings.train_limit)
    for split, faces in (("train", train), ("val", val)):
        if len(faces) == 0:
            raise SystemExit(f"no face is in {split}: a set that names no splits holds one picture in ten back")
    others = None if settings.faceness is None else load_faceness(settings.faceness, "train")
    other_val = None if settings.faceness is None else load_faceness(settings.faceness, "val")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = AffectNetwork(design)
    if settings.warm_start is not None:
        rows = torch.randperm(len(train), generator=torch.Generator().manual_seed(settings.seed))[:256]
        convolutions, others_copied = warm_start(
            network, settings.warm_start, sample(train.pictures[rows], train.transforms[rows], CROP_SIZE)
        )
        print(f"{convolutions} convolutions and {others_copied} other tensors start from {settings.warm_start}")
    if settings.start_from is not None:
        print(f"{start_from(network, settings.start_from, start_parts)} tensors start from {settings.start_from}")
    network = network.to(device, memory_format=torch.channels_last)
    average = copy.deepcopy(network).eval()
    optimizer = make_optimizer(network, settings.rate, settings.decay)
    checkpoint_path = settings.run / "checkpoint.pt"
    epoch, step, best, minutes_before, figures = 0, 0, -math.inf, 0.0, {}
    if checkpoint_path.exists():
        saved = torch.load(checkpoint_path, map_location="cpu", weights_only=True)
        network.load_state_dict(saved["network"])
        average.load_state_dict(saved["average"])
        optimizer.load_state_dict(saved["optimizer"])
        epoch, step, best, minutes_before = (saved[name] for name in ("epoch", "step", "best", "minutes"))
        figures = saved["figures"]
    count = settings.shards if device == "cpu" else 1
    shards = Shards(network, count, device, tasks, half_precision=settings.precision == "bf16")
    steps_an_epoch = max(1, len(train) // settings.batch)
    began = time.monotonic()

    def minutes() -> float:
        return minutes_before + (time.monotonic() - began) / 60

    def progress() -> float:
        done = step / (steps_an_epoch * settings.epochs) if settings.minutes is None else minutes() / settings.minutes
        return min(1.0, done)

    if others is None:
        print("without --faceness the model will not tell faces from what the detector takes for one")
    print(f"{len(train)} train, {len(val)} val, faceness {0 if others is None else len(others)}, from epoch {epoch}")
    while progress() < 1:
        epoch_began = time.monotonic()
        generator = torch.Generator().manual_seed(settings.seed * 1000 + epoch)
        rows = torch.randperm(len(train), generator=generator)
        order = rows[: steps_an_epoch * settings.batch].split(settings.batch)  # a small set has one batch, of all
        size = settings.coarse_size if progress() < settings.coarse_share else CROP_SIZE
        totals: dict[str, float] = {}
        for batch_rows in tqdm(order, mininterval=30, desc=f"epoch {epoch}", leave=False):
            at = progress()
            for group in optimizer.param_groups:
                group["lr"] = rate_at(at, settings.rate)
            seed, mixed = (settings.seed * 1_000_003 + step) * 8, settings.mixed_share * (at < UNMIXED_FROM)
            makers = [
                partial(training_batch, train, part, others, size, seed + number, mixed_share=mixed)
                for number, part in enumerate(batch_rows.tensor_split(len(shards.replicas)))
            ]
            parts = shards.gradient(makers)
            nn.utils.clip_grad_norm_(network.parameters(), 2.0)
            optimizer.step()
            ema_update(average, network, min(EMA_DECAY, (1 + step) / (10 + step)))
            step += 1
            for name, value in parts.items():
                totals[name] = totals.get(name, 0) + value / len(order)
        figures = evaluate(average.to("cpu"), val, other_val)
        average.to(device)
        row = {"epoch": epoch, "size": size, "rate": optimizer.param_groups[0]["lr"], **totals, **figures}
        row["seconds"] = time.monotonic() - epoch_began
        print(json.dumps({name: round(value, 4) for name, value in row.items()}), flush=True)
        append_log(settings.run / "log.csv", row)
        draw_curves(settings.run)
        epoch += 1
        is_best = not quality(figures) < best
        best = quality(figures) if is_best else best
        state = {
            "network": network.state_dict(),
            "average": average.state_dict(),
            "optimizer": optimizer.state_dict(),
            "epoch": epoch,
            "step": step,
            "best": best,
            "minutes": minutes(),
            "figures": figures,
            "faceness": others is not None,
        }
        save(state, checkpoint_path)
        if is_best:
            save({name: state[name] for name in ("average", "epoch", "figures", "faceness")}, settings.run / "best.pt")
    return figures


def main() -> None:
    settings, tasks = parse()
    fit(settings, Design(), tasks)


if __name__ == "__main__":
    main()
