"""Sets that are joined give the same crops as each on its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from circumplex_training import faceness
from circumplex_training.copies import near_copies
from circumplex_training.data import FaceSet, joined, load_faces, sample
from circumplex_training.noisy import labelled_paths
from circumplex_training.readers import Rejected


def face_set(side: int, count: int, seed: int) -> FaceSet:
    generator = torch.Generator().manual_seed(seed)
    turn = torch.tensor([[0.8, -0.1, 0.2], [0.1, 0.9, -0.05]])
    return FaceSet(
        pictures=torch.randint(0, 256, (count, 1, side, side), generator=generator, dtype=torch.uint8),
        transforms=turn.repeat(count, 1, 1) + torch.rand(count, 2, 3, generator=generator) * 0.1,
        shares=torch.eye(8)[torch.randint(0, 8, (count,), generator=generator)],
        affect=torch.rand(count, 2, generator=generator),
        majority=torch.randint(0, 8, (count,), generator=generator),
        is_proxy=True,
    )


def test_joined_sets_of_other_sizes_give_the_same_crops() -> None:
    small, large = face_set(20, 4, 1), face_set(33, 3, 2)
    both = joined(small, large)
    assert both.pictures.shape == (7, 1, 33, 33)
    expected = torch.cat([sample(small.pictures, small.transforms, 16), sample(large.pictures, large.transforms, 16)])
    assert torch.allclose(sample(both.pictures, both.transforms, 16), expected, atol=1e-4)
    assert torch.equal(both.shares, torch.cat([small.shares, large.shares]))


def test_shares_that_noisy_wrote_are_labels_with_a_proxy(tmp_path: Path) -> None:
    shares = np.array([[0, 1, 0, 0, 0, 0, 0, 0], [0.5, 0.5, 0, 0, 0, 0, 0, 0]], np.float32)
    np.savez(
        tmp_path / "more.npz",
        pictures=np.zeros((2, 8, 8), np.uint8),
        landmarks=np.array([[[2, 3], [6, 3], [4, 6]]] * 2, np.float32),
        shares=shares,
        split=np.array(["train", "train"]),
    )
    faces = load_faces(tmp_path / "more.npz", "train")
    assert faces.is_proxy
    assert np.allclose(faces.shares, shares)
    # Class means of happiness, and half-way from there to neutral.
    assert np.allclose(faces.affect, [[0.67, 0.08], [0.32, 0.03]], atol=1e-6)
    assert faces.majority[0] == 1


def test_noisy_labels_leave_out_what_measures_faceness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(f"images/{number}.jpg", "happiness" if number % 7 else "no idea") for number in range(60)]
    (tmp_path / "manifest.csv").write_text(
        "path,expression\n" + "".join(f"{path},{expression}\n" for path, expression in rows)
    )
    monkeypatch.setattr(faceness, "natural_view", lambda path, _: str(path.relative_to(tmp_path)))
    collected = faceness.collect_faces(tmp_path, None, 20)
    measuring = {path for path, split in collected if split == "val"}
    rejected = Rejected()
    found = [path for path, _ in labelled_paths(tmp_path, 20, rejected)]
    assert 0 < len(measuring) < 20
    assert found == [path for path, expression in rows if expression == "happiness" and path not in measuring]
    assert rejected.lines()[0].startswith("left out, no expression: 9 ")


def test_copies_are_found_brightened_and_mirrored() -> None:
    random = np.random.default_rng(5)
    among = random.integers(0, 200, (3, 48, 48), np.uint8)
    other = random.integers(0, 200, (48, 48), np.uint8)
    pictures = np.stack([among[1] + 40, among[2][:, ::-1], other])
    assert near_copies(pictures, among).tolist() == [True, True, False]
