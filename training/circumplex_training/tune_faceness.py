"""Trains the faceness head of a finished run alone: the rest of the network, and with it every other output, stays as
it is. The head is small, so that it can see every collected crop many times, and the hardest ones most often.

python -m circumplex_training.tune_faceness --run runs/first --checkpoint best.pt --faces ferplus.npz \\
    --faceness faceness.npz
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from circumplex_training.augmentation import coarsened, degrade, random_transforms
from circumplex_training.data import FacenessSet, FaceSet, joined, load_faceness, load_faces, sample
from circumplex_training.export import load_network
from circumplex_training.faceness import KINDS
from circumplex_training.network import CROP_SIZE, AffectNetwork, FacenessHead
from circumplex_training.train import save

BATCH = 512
# Of the training faces of `--faces`, unchanged, so many shall pass at a probability of .5: the head's bias is moved
# until they do. Those of `--more` do not count: the easier they are, the fewer of the others would be kept.
KEPT_SHARE = 0.996
# Crops of so many pixels, faces and others alike: a run shows few of them.
SMALL_PIXELS = (11, 26)


def features(
    network: AffectNetwork,
    pictures: FaceSet | FacenessSet,
    rows: Tensor,
    generator: torch.Generator | None = None,
    *,
    small: bool = False,
    exact: bool = False,
) -> Tensor:
    """What the head reads of `rows`, augmented where there is a generator, and then as if seen from afar where they
    shall be `small`: N C 6 6. In half precision, unless they shall be `exact`: a threshold between the last few faces
    in a thousand needs that."""
    parts = []
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=not exact):
        for some in tqdm(rows.split(256), mininterval=20, leave=False):
            transforms = pictures.transforms[some]
            if generator is not None:
                transforms = transforms @ random_transforms(len(some), generator)
            grey = sample(pictures.pictures[some], transforms, CROP_SIZE)
            if generator is not None:
                grey = degrade(grey, generator)
                if small:
                    grey = coarsened(grey, *SMALL_PIXELS, generator)
            found = network.faceness_features(grey.contiguous(memory_format=torch.channels_last))
            parts.append(found.float() if exact else found.bfloat16())
    return torch.cat(parts)


def logits_of(head: FacenessHead, inputs: Tensor) -> Tensor:
    head.eval()
    with torch.inference_mode():
        return torch.cat([head(part.float()) for part in inputs.split(2048)])


def train_head(head: FacenessHead, faces: Tensor, others: Tensor, *, epochs: int, rate: float, seed: int) -> None:
    """Half of each batch are faces. Of the others, those that passed as a face most clearly come up to four times as
    often, by the head's own opinion after each epoch."""
    optimizer = torch.optim.AdamW(head.parameters(), lr=rate, weight_decay=0.05)
    generator = torch.Generator().manual_seed(seed)
    steps = max(1, len(others) * 2 // BATCH)
    weights = torch.ones(len(others))
    for epoch in range(epochs):
        chosen = torch.multinomial(weights, steps * BATCH // 2, replacement=True, generator=generator)
        faces_chosen = torch.randint(len(faces), (steps * BATCH // 2,), generator=generator)
        head.train()
        for step, (face_rows, other_rows) in enumerate(
            zip(faces_chosen.chunk(steps), chosen.chunk(steps), strict=True)
        ):
            progress = (epoch + step / steps) / epochs
            for group in optimizer.param_groups:
                group["lr"] = rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))
            inputs = torch.cat([faces[face_rows], others[other_rows]]).float()
            is_face = torch.cat([torch.ones(len(face_rows)), torch.zeros(len(other_rows))])
            # A little doubt in the labels: some pictures of the set show no face, and a few wrong boxes do.
            loss = F.binary_cross_entropy_with_logits(head(inputs), is_face * 0.98 + 0.01)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        weights = 1 + 3 * torch.sigmoid(logits_of(head, others) + 2)


def kept_shares(head: FacenessHead, groups: dict[str, Tensor]) -> dict[str, float]:
    return {name: round((logits_of(head, inputs) >= 0).float().mean().item(), 4) for name, inputs in groups.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--checkpoint", default="checkpoint.pt")
    parser.add_argument("--faces", type=Path, required=True)
    parser.add_argument("--more", type=Path, help="file that noisy wrote: further faces")
    parser.add_argument("--faceness", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--copies", type=int, default=4, help="augmented views of each crop that is no face")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", default="tuned.pt", help="checkpoint in the run's folder")
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    network, saved = load_network(options.run / options.checkpoint)
    network = network.to(memory_format=torch.channels_last)
    generator = torch.Generator().manual_seed(options.seed)
    train, val = (load_faces(options.faces, split) for split in ("train", "val"))
    own = len(train)
    if options.more is not None:
        train = joined(train, load_faces(options.more, "train"))
    other, other_val = (load_faceness(options.faceness, split) for split in ("train", "val"))
    natural = torch.from_numpy(np.flatnonzero(other.kind == "face"))
    once = torch.from_numpy(np.flatnonzero(other.kind != "face"))
    wrong = once.repeat(options.copies)
    every = torch.arange(len(train))
    plain = features(network, train, every)
    faces = torch.cat(
        [
            plain,
            features(network, train, every, generator),
            features(network, train, every[::2], generator, small=True),
            features(network, other, natural),
            *(features(network, other, natural, generator) for _ in range(2)),
            features(network, other, natural, generator, small=True),
        ]
    )
    others = torch.cat(
        [
            features(network, other, wrong, generator),
            features(network, other, once),
            features(network, other, once, generator, small=True),
        ]
    )
    print(f"{len(faces)} views of faces, {len(others)} of others")
    held = {"faces of val": features(network, val, torch.arange(len(val)), exact=True)}
    for kind in KINDS:
        rows = torch.from_numpy(np.flatnonzero(other_val.kind == kind))
        if len(rows):
            held[kind] = features(network, other_val, rows)
            held[f"{kind}, small"] = features(network, other_val, rows, generator, small=True)
    print(json.dumps({"before": kept_shares(network.faceness, held)}))
    train_head(network.faceness, faces, others, epochs=options.epochs, rate=options.rate, seed=options.seed)
    unchanged = [
        logits_of(network.faceness, features(network, train, rows, exact=True)) for rows in every[:own].split(8192)
    ]
    shift = torch.quantile(torch.cat(unchanged), 1 - KEPT_SHARE).item()
    with torch.no_grad():
        network.faceness.decide[-1].bias -= shift
    print(json.dumps({"after": kept_shares(network.faceness, held), "shift": round(shift, 3)}))
    save({**saved, "average": network.state_dict(), "faceness": True}, options.run / options.output)


if __name__ == "__main__":
    main()
