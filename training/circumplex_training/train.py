"""Trains the network; resumes from its last checkpoint when it is started again with the same folder.

python -m circumplex_training.train --faces ferplus.npz --run runs/first --epochs 24
"""

from __future__ import annotations

import argparse
import copy
import csv
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from circumplex_training.alignment import mean_template
from circumplex_training.data import FaceSet, load_faces, sample, training_batch
from circumplex_training.losses import concordance, ema_update, multi_task_loss
from circumplex_training.network import TRUNK_SIZE, AffectNetwork


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=Path, required=True, help="file that prepare wrote")
    parser.add_argument("--run", type=Path, required=True, help="folder of checkpoints and logs")
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=1.5e-3, help="peak learning rate of AdamW")
    parser.add_argument("--decay", type=float, default=0.05, help="weight decay")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def evaluate(network: AffectNetwork, faces: FaceSet) -> dict[str, float]:
    """Majority accuracy and proxy concordance of a split, without augmentation."""
    network.eval()
    affects, predictions = [], []
    with torch.inference_mode():
        for rows in torch.arange(len(faces)).split(256):
            affect, logits, _ = network(sample(faces.pictures[rows], faces.transforms[rows], TRUNK_SIZE))
            affects.append(affect)
            predictions.append(logits.argmax(dim=1))
    clear = faces.majority >= 0
    voted = faces.shares.sum(dim=1) > 0
    valence, arousal = concordance(torch.cat(affects)[voted], faces.affect[voted]).tolist()
    accuracy = (torch.cat(predictions)[clear] == faces.majority[clear]).float().mean().item()
    return {"accuracy": accuracy, "clear": int(clear.sum()), "cccValenceProxy": valence, "cccArousalProxy": arousal}


def rate_at(step: int, steps: int, peak: float) -> float:
    """Linear warm-up over 3 % of the steps, then a half cosine down to 1 % of the peak."""
    warm = max(1, int(0.03 * steps))
    if step < warm:
        return peak * (step + 1) / warm
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm))))


def main() -> None:
    options = parse()
    options.run.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(options.seed)
    packed = np.load(options.faces)
    train_rows = packed["split"] == "train"
    checkpoint_path = options.run / "checkpoint.pt"
    saved = torch.load(checkpoint_path, map_location="cpu", weights_only=True) if checkpoint_path.exists() else None
    measured = mean_template(packed["landmarks"][train_rows], packed["pictures"].shape[1])
    template = measured if saved is None else np.array(saved["template"])
    train, val = (load_faces(options.faces, split, template) for split in ("train", "val"))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = AffectNetwork().to(device, memory_format=torch.channels_last)
    average = copy.deepcopy(network).eval()
    optimizer = torch.optim.AdamW(network.parameters(), lr=options.rate, weight_decay=options.decay)
    start = 0
    if saved is not None:
        network.load_state_dict(saved["network"])
        average.load_state_dict(saved["average"])
        optimizer.load_state_dict(saved["optimizer"])
        start = saved["epoch"] + 1
    print(f"template {template.tolist()}, {len(train)} train, {len(val)} val, from epoch {start}")

    steps_an_epoch = len(train) // options.batch
    steps = steps_an_epoch * options.epochs
    for epoch in range(start, options.epochs):
        began = time.time()
        generator = torch.Generator().manual_seed(options.seed * 1000 + epoch)
        order = torch.randperm(len(train), generator=generator)[: steps_an_epoch * options.batch].view(
            -1, options.batch
        )
        network.train()
        totals: dict[str, float] = {}
        for index, rows in enumerate(tqdm(order, mininterval=30, desc=f"epoch {epoch}", leave=False)):
            step = epoch * steps_an_epoch + index
            for group in optimizer.param_groups:
                group["lr"] = rate_at(step, steps, options.rate)
            pictures = training_batch(train, rows, TRUNK_SIZE, generator).to(device)
            with torch.autocast(device, torch.bfloat16):
                outputs = network(pictures.contiguous(memory_format=torch.channels_last))
            loss, parts = multi_task_loss(outputs, train.shares[rows].to(device), train.affect[rows].to(device))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
            optimizer.step()
            ema_update(average, network, min(0.998, (1 + step) / (10 + step)))
            for name, value in parts.items():
                totals[name] = totals.get(name, 0) + value / len(order)
        figures = evaluate(average.to("cpu"), val)
        average.to(device)
        row = {"epoch": epoch, **totals, **figures, "seconds": time.time() - began}
        print(json.dumps({name: round(value, 4) for name, value in row.items()}), flush=True)
        log = options.run / "log.csv"
        fresh = not log.exists()
        with open(log, "a", newline="") as file:
            writer = csv.DictWriter(file, row.keys())
            if fresh:
                writer.writeheader()
            writer.writerow(row)
        state = {
            "network": network.state_dict(),
            "average": average.state_dict(),
            "optimizer": optimizer.state_dict(),
            "epoch": epoch,
            "epochs": options.epochs,
            "template": template.tolist(),
        }
        torch.save(state, checkpoint_path.with_suffix(".part"))
        checkpoint_path.with_suffix(".part").replace(checkpoint_path)


if __name__ == "__main__":
    main()
