"""From a set in AffectNet's formats to a trained, exported and evaluated model, one epoch of a few drawn faces."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from circumplex_training import (
    ablate,
    evaluate,
    export,
    faceness,
    model_card,
    noisy,
    quantize,
    robustness,
    sizes,
    train,
    tune_faceness,
)
from circumplex_training.alignment import SIDE, TEMPLATE, VIEW, widened
from circumplex_training.augmentation import training_batch
from circumplex_training.check import largest_face, smoothed
from circumplex_training.curves import read_log
from circumplex_training.data import FaceSet, load_faceness, load_faces
from circumplex_training.detector import Detector, Face
from circumplex_training.drawn import PAGE_SIDE, draw_page, font_files
from circumplex_training.losses import Tasks, multi_task_loss
from circumplex_training.network import AffectNetwork, Design
from circumplex_training.prepare import prepare
from circumplex_training.served import Answers, ServedModel
from circumplex_training.shards import Shards
from circumplex_training.train import rate_at


def call(monkeypatch: pytest.MonkeyPatch, module: object, *arguments: object) -> None:
    """Runs a module as `python -m` would."""
    monkeypatch.setattr(sys, "argv", [module.__name__, *(str(argument) for argument in arguments)])
    module.main()


@pytest.fixture(scope="module")
def faceness_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("faceness") / "faceness.npz"
    kinds = np.array(["wrong-box", "background", "drawn", "face"] * 6)
    pictures = np.random.default_rng(1).integers(0, 256, (24, SIDE, SIDE), np.uint8)
    split = np.array(["train"] * 18 + ["val"] * 6)
    np.savez_compressed(path, pictures=pictures, kind=kinds, split=split, view=np.array(VIEW))
    return path


@pytest.mark.parametrize("form", ["affectnet_annotations", "affectnet_csv"])
def test_trains_exports_and_evaluates_affectnet(
    form: str,
    request: pytest.FixtureRequest,
    detector_folder: Path,
    faceness_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = request.getfixturevalue(form)
    run, model, report = tmp_path / "run", tmp_path / "model", tmp_path / "report"
    call(monkeypatch, train, "--data", data, "--detector", detector_folder, "--faceness", faceness_file, "--run", run,
         "--epochs", 1, "--batch", 8)  # fmt: skip
    assert "left out, missing file: 1" in capsys.readouterr().out
    call(monkeypatch, tune_faceness, "--run", run, "--faces", run / "faces.npz", "--faceness", faceness_file,
         "--epochs", 2)  # fmt: skip
    before, after = (torch.load(run / name, weights_only=True)["average"] for name in ("checkpoint.pt", "tuned.pt"))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed and all(name.startswith("faceness.") for name in changed)
    call(monkeypatch, export, "--run", run, "--checkpoint", "tuned.pt", "--faces", run / "faces.npz", "--output", model,
         "--version", "0.0.1", "--set-name", "drawn faces", "--data-note", "drawn faces", "--licence", "MIT",
         )  # fmt: skip
    assert "faceness" in json.loads((model / "card.json").read_text())["outputs"]
    capsys.readouterr()
    call(monkeypatch, evaluate, "--model", model, "--data", data, "--detector", detector_folder, "--output", report)
    text = (report / "report.md").read_text()
    for figure in (
        "RMSE",
        "PCC",
        "SAGR",
        "CCC",
        "ICC(3,1)",
        "Expressions, ",
        "macro recall",
        "calibration",
        "| happiness |",
    ):
        assert figure in text
    # Of the 28 pictures those of val alone were looked at.
    assert "8 faces, 0 to train on" in capsys.readouterr().out
    # AffectNet has valence and arousal of its own: nothing of it is a proxy.
    assert "proxy" not in text
    assert (report / "plot.png").stat().st_size > 10_000
    figures = json.loads((model / "card.json").read_text())["figures"]
    assert figures["majorityPictures"] == figures["affectPictures"] == 8


def test_evaluates_a_plain_csv_without_expressions(
    photographs: list[Path],
    detector_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data, model = tmp_path / "ratings.csv", tmp_path / "model"
    with open(data, "w", newline="") as file:
        rows = [[path, 0.1 * index, -0.1 * index] for index, path in enumerate(photographs)]
        csv.writer(file).writerows([["path", "valence", "arousal"], *rows])
    model.mkdir()
    export.write_onnx(AffectNetwork().eval(), model / "model.onnx")
    card = export.make_card(model / "model.onnx", version="0", data="", epochs=0, parameters=0, parity=0.0)
    (model / "card.json").write_text(json.dumps(card))
    asked = ("--model", model, "--data", data, "--detector", detector_folder, "--output", tmp_path / "report")
    with pytest.raises(SystemExit):
        call(monkeypatch, evaluate, *asked)
    assert "does not say what is val" in capsys.readouterr().err
    call(monkeypatch, evaluate, *asked, "--split", "all")
    text = (tmp_path / "report" / "report.md").read_text()
    assert f"Valence and arousal, {len(rows)} pictures" in text and "Expressions, " not in text


@pytest.fixture(scope="module")
def votes_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty noise pictures in the form that `prepare` gives FER+."""
    path = tmp_path_factory.mktemp("votes") / "votes.npz"
    random = np.random.default_rng(2)
    votes = np.zeros((40, 8), np.uint8)
    votes[np.arange(40), np.arange(40) % 8] = 8
    landmarks = np.repeat((TEMPLATE * 48)[None], 40, axis=0).astype(np.float32)
    landmarks[5] = np.nan
    np.savez_compressed(
        path, pictures=random.integers(0, 256, (40, 48, 48), np.uint8), landmarks=landmarks, votes=votes,
        unknown=np.zeros(40, np.uint8), split=np.array(["train"] * 32 + ["val"] * 8),
    )  # fmt: skip
    return path


def test_a_killed_run_goes_on_after_its_last_epoch(
    votes_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--faces", votes_file, "--run", tmp_path, "--batch", 16)
    call(monkeypatch, train, *arguments, "--epochs", 1)
    call(monkeypatch, train, *arguments, "--epochs", 2)
    assert "from epoch 1" in capsys.readouterr().out
    with open(tmp_path / "log.csv", newline="") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["0", "1"]
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 4
    assert read_log(tmp_path / "log.csv")["epoch"] == [0, 1]
    with Image.open(tmp_path / "curves.png") as curves:
        assert len(np.unique(np.asarray(curves.convert("L")))) > 20


def test_faces_alone_do_not_teach_the_faceness_head(votes_file: Path) -> None:
    faces = load_faces(votes_file, "train")
    network = AffectNetwork()
    shards = Shards(network, 2, "cpu", Tasks())
    parts = shards.gradient([lambda: training_batch(faces, torch.arange(8), None, 36, 1, mixed_share=0)] * 2)
    assert "faceness" not in parts and parts["expression"] > 0
    assert all(not parameter.grad.any() for parameter in network.faceness.parameters())
    assert network.expressions.weight.grad.any()


def test_shards_may_lack_labels_of_a_task(votes_file: Path) -> None:
    faces = load_faces(votes_file, "train")
    unlabelled = replace(faces, shares=torch.zeros_like(faces.shares), affect=torch.full_like(faces.affect, torch.nan))
    network = AffectNetwork()
    shards = Shards(network, 2, "cpu", Tasks())

    def gradient(first: FaceSet, second: FaceSet) -> torch.Tensor:
        makers = [partial(training_batch, one, torch.arange(8), None, 36, 1, mixed_share=0) for one in (first, second)]
        assert shards.gradient(makers)["expression"] > 0
        return network.expressions.weight.grad.norm()

    assert gradient(unlabelled, faces) > 0 and gradient(faces, unlabelled) > 0


def test_without_faceness_the_card_names_no_such_output(
    votes_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    call(monkeypatch, train, "--faces", votes_file, "--run", tmp_path, "--batch", 16, "--epochs", 1)
    assert "without --faceness" in capsys.readouterr().out
    call(
        monkeypatch, export, "--run", tmp_path, "--faces", votes_file, "--output", tmp_path / "model", "--version", "1"
    )
    assert "every crop for a face" in capsys.readouterr().out
    card = json.loads((tmp_path / "model" / "card.json").read_text())
    assert set(card["outputs"]) == {"affect", "expressions", "uncertainty"}
    assert "faceness" not in card["selfCheck"]
    call(monkeypatch, quantize, "--model", tmp_path / "model", "--faces", votes_file, "--output", tmp_path / "int8")
    assert "faceness" not in json.loads((tmp_path / "int8" / "card.json").read_text())["outputs"]


def test_a_run_is_of_one_set(
    affectnet_csv: Path, detector_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    prepare(affectnet_csv, detector_folder, tmp_path / "faces.npz")
    with pytest.raises(SystemExit):
        call(monkeypatch, train, "--data", affectnet_csv / "validation.csv", "--detector", detector_folder, "--run",
             tmp_path)  # fmt: skip
    assert f"was made of {affectnet_csv}" in capsys.readouterr().err


def test_faces_that_are_rated_without_an_expression_are_told_apart() -> None:
    answers = Answers(np.zeros((6, 2)), np.eye(8)[:6], np.ones(6), np.ones(6))
    affect = np.array([[0.1 * row, -0.1 * row] for row in range(6)])
    label = np.array([0, 1, 2, 3, -1, -1])
    result = evaluate.Evaluation(answers, affect, label, np.full(6, True), label >= 0, is_proxy=False)
    figures = evaluate.summary(result, "some")
    assert figures["affectPictures"] == 6 and figures["affectPicturesWithExpression"] == 4
    assert figures["affectRmseWithExpression"]["valence"] == pytest.approx(
        np.sqrt(np.mean([0, 0.01, 0.04, 0.09])), abs=1e-4
    )
    assert "The 4 of them that have one of the eight expressions" in evaluate.report(result, rounds=5)


def test_the_same_seed_gives_the_same_batch(votes_file: Path, faceness_file: Path) -> None:
    faces, others = load_faces(votes_file, "train"), load_faceness(faceness_file, "train")
    first, again, other = (
        training_batch(faces, torch.arange(16), others, 48, seed, mixed_share=0.5) for seed in (1, 1, 2)
    )
    assert torch.equal(first.pictures, again.pictures)
    assert not torch.equal(first.pictures, other.pictures)
    assert first.is_face[:16].all() and 0 < first.is_face[16:].sum() < len(first.is_face) - 16
    assert first.pictures.abs().max() <= 1


def test_shards_give_the_gradient_of_their_parts(votes_file: Path) -> None:
    faces = load_faces(votes_file, "train")
    torch.manual_seed(3)
    network = AffectNetwork()
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    makers = [
        lambda part=part: training_batch(faces, part, None, 36, 1, mixed_share=0) for part in torch.arange(16).split(8)
    ]
    shards = Shards(network, 2, "cpu", Tasks())
    shards.gradient(makers)
    wanted = []
    for make in makers:
        batch = make()
        with torch.autocast("cpu", torch.bfloat16):
            readings = network(batch.pictures.contiguous(memory_format=torch.channels_last))
        loss, _ = multi_task_loss(readings, batch.targets, batch.is_face)
        wanted.append(torch.autograd.grad(loss, network.expressions.weight)[0])
    # Half precision: two ways of adding up differ in the third digit.
    assert torch.allclose(network.expressions.weight.grad, sum(wanted) / 2, rtol=0.02, atol=2e-3)


def test_the_rate_warms_up_and_ends_near_zero() -> None:
    rates = [rate_at(progress, 1.0) for progress in (0.0, 0.02, 0.04, 0.5, 1.0)]
    assert rates == pytest.approx([0.02, 0.5, 1.0, 0.53, 0.005], abs=0.02)


def test_ablation_runs_every_variant_and_writes_one_table(
    votes_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call(monkeypatch, ablate, "--faces", votes_file, "--runs", tmp_path / "runs", "--epochs", 1, "--train-limit", 16,
         "--seeds", 1, 2, "--output", tmp_path / "ablation.md")  # fmt: skip
    lines = (tmp_path / "ablation.md").read_text().splitlines()
    assert len([line for line in lines if line.startswith("| ")]) == 2 + len(ablate.VARIANTS)
    assert "| single task: valence | - |" in "\n".join(lines)


def test_ablation_begins_with_one_trunk_that_favours_no_variant(
    votes_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save({"average": AffectNetwork().state_dict()}, tmp_path / "run.pt")
    call(monkeypatch, ablate, "--faces", votes_file, "--runs", tmp_path / "runs", "--epochs", 1, "--trunk-epochs", 1,
         "--train-limit", 16, "--seeds", 1, "--start-from", tmp_path / "run.pt", "--only", "whole",
         "without attention 2 (layers)", "--output", tmp_path / "ablation.md")  # fmt: skip
    trunk = torch.load(tmp_path / "runs" / "trunk" / "checkpoint.pt", weights_only=True)["network"]
    assert not any(name.startswith(("attentions.", "layers.")) for name in trunk)
    text = (tmp_path / "ablation.md").read_text()
    assert "from one trunk taught 1 epochs" in text and "| whole | " in text


def test_int8_and_robustness_run_on_an_exported_model(
    votes_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "model"
    model.mkdir()
    export.write_onnx(AffectNetwork().eval(), model / "model.onnx")
    card = export.make_card(model / "model.onnx", version="0", data="", epochs=0, parameters=0, parity=0.0)
    (model / "card.json").write_text(json.dumps(card))
    call(monkeypatch, quantize, "--model", model, "--faces", votes_file, "--output", tmp_path / "int8")
    figures = json.loads((tmp_path / "int8" / "figures.json").read_text())
    assert figures["int8"]["bytes"] < 0.5 * figures["fp32"]["bytes"]
    assert 0 < figures["int8AgainstFp32"]["affectDifference"]["mean"] < 0.1
    said = model_card.variants(model, tmp_path / "int8")
    assert "| `models/int8` |" in said and f"on {figures['processor']}:" in said
    (model / "card.json").write_text(json.dumps({**card, "sha256": "another"}))
    with pytest.raises(ValueError, match="is of another model"):
        model_card.variants(model, tmp_path / "int8")
    call(monkeypatch, robustness, "--model", model, "--faces", votes_file, "--output", tmp_path / "robustness.md")
    text = (tmp_path / "robustness.md").read_text()
    assert all(f"| {name} | " in text for name in (*robustness.CHANGES, "face 36 px"))
    assert "face 48 px" not in text  # that is the unchanged face


def test_robustness_finds_a_portrait_anew_when_it_is_turned(
    detector_folder: Path, photographs: list[Path], tmp_path: Path
) -> None:
    picture, detector = Image.open(photographs[-1]).convert("RGB"), Detector(detector_folder)
    left, top, width, height = largest_face(detector, np.asarray(picture)).box
    alone = (left - width / 2, top - height / 2, left + 1.5 * width, top + 1.5 * height)
    picture.crop([round(edge) for edge in alone]).save(tmp_path / "one.jpg", quality=95)
    model = ServedModel(detector_folder.parent / "affect")
    rows = {name: rest for name, *rest in robustness.turned_drift(model, tmp_path, detector)}
    assert list(rows) == [f"picture turned {angle} degrees, found in 1 of 1" for angle in (90, 180, 270)]
    assert rows["picture turned 90 degrees, found in 1 of 1"][0] < 0.15


def test_model_card_fills_its_blocks_and_leaves_the_rest() -> None:
    card = "# Card\n\n<!-- a -->\nold\n<!-- /a -->\n\nbetween \\1\n<!-- b -->\n<!-- /b -->\nend\n"
    once = model_card.filled(card, {"a": "| 1 |\n", "b": "\n\\2 <!-- -->"})
    assert once == (
        "# Card\n\n<!-- a -->\n\n| 1 |\n\n<!-- /a -->\n\nbetween \\1\n<!-- b -->\n\n\\2 <!-- -->\n\n<!-- /b -->\nend\n"
    )
    assert model_card.filled(once, {"a": "| 1 |"}) == once
    with pytest.raises(ValueError, match="no <!-- c -->"):
        model_card.filled(card, {"c": ""})


def test_faces_of_full_size_have_the_figures_of_the_set(votes_file: Path, detector_folder: Path) -> None:
    served, faces = ServedModel(detector_folder.parent / "affect"), load_faces(votes_file, "val")
    rows = [line.split(" | ") for line in model_card.by_face_size(served, faces, (12, 48)).splitlines()[2:]]
    assert [row[0] for row in rows] == ["| 12 px", "| 48 px"]
    figures = evaluate.summary(evaluate.run(served, faces), "val")
    assert rows[0][1:] != rows[1][1:]
    assert float(rows[1][1]) == figures["majorityAccuracy"]
    assert float(rows[1][2]) == pytest.approx(figures["proxyCcc"]["valence"], abs=6e-4)


def test_faceness_takes_wrong_boxes_where_no_face_may_be(tmp_path: Path) -> None:
    class Everywhere:
        """Finds a face in every picture, at the same share of it."""

        def faces(self, picture: np.ndarray, minimum_score: float) -> list:
            side = np.array(picture.shape[1::-1])
            shares = np.array([(0.4, 0.4), (0.6, 0.4), (0.5, 0.5), (0.5, 0.6), (0.3, 0.4), (0.7, 0.4)])
            return [Face(0.9, np.concatenate([0.3 * side, 0.4 * side]), shares * side)]

    class OneFace:
        def boxes(self, picture: np.ndarray, score: float, side: int = 640) -> tuple[np.ndarray, np.ndarray]:
            return np.array([0.9]), np.array([[60.0, 60.0, 80.0, 80.0]])

    picture = np.random.default_rng(1).integers(0, 256, (200, 200, 3), np.uint8)
    wrong, backgrounds, faces = faceness.collect_scene(picture, Everywhere(), OneFace(), np.random.default_rng(1))
    assert len(faces) >= 1  # the whole picture's box is where the other detector sees a face
    assert all(view.shape == (SIDE, SIDE) for view in (*wrong, *backgrounds, *faces))
    assert len(backgrounds) < faceness.BACKGROUNDS_A_SCENE


def test_a_wider_view_keeps_its_centre() -> None:
    assert widened(TEMPLATE, 2.0) == pytest.approx(TEMPLATE / 2 + 0.25)


def test_pictures_of_different_sizes_are_left_out(tmp_path: Path, detector_folder: Path) -> None:
    header = "path,split,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown"
    for name, side in (("a", 48), ("b", 48), ("c", 60)):
        Image.new("L", (side, side), 90).save(tmp_path / f"{name}.png")
    rows = [f"{name}.png,train,8,0,0,0,0,0,0,0,0" for name in ("a", "b", "c", "missing")]
    (tmp_path / "manifest.csv").write_text("\n".join([header, *rows]) + "\n")
    rejected = prepare(tmp_path, detector_folder, tmp_path / "faces.npz")
    assert rejected.names == {"missing file": ["missing.png"], "not 48 pixels square": ["c.png"]}


def test_drawn_pages_repeat_and_give_crops_that_are_no_faces(detector_folder: Path) -> None:
    fonts = font_files()
    assert len(fonts) > 10
    first, again, other = (draw_page(np.random.default_rng(seed), fonts, []) for seed in (3, 3, 4))
    assert (first == again).all() and (first != other).any()
    assert first.shape == (PAGE_SIDE, PAGE_SIDE, 3) and first.dtype == np.uint8
    views = faceness.collect_page(first, Detector(detector_folder), np.random.default_rng(1))
    assert len(views) >= faceness.PLACES_A_PAGE
    assert all(view.shape == (SIDE, SIDE) for view in views)


def test_smoothing_is_the_servers() -> None:
    affect = np.array([[0.0, 1.0], [1.0, 1.0], [1.0, 0.0]])
    values = smoothed(affect, seconds_a_frame=0.5, time_constant_seconds=0.5)
    weight = 1 - np.exp(-1)
    assert values[0] == pytest.approx([0, 1])
    assert values[1] == pytest.approx([weight, 1])
    assert values[2] == pytest.approx([weight + weight * (1 - weight), 1 - weight])


def test_a_run_starts_from_the_weights_of_another(tmp_path: Path) -> None:
    torch.manual_seed(1)
    one, other = AffectNetwork(), AffectNetwork(Design(layer_attention=False))
    torch.save({"average": one.state_dict()}, tmp_path / "one.pt")
    assert 0 < train.start_from(other, tmp_path / "one.pt") < len(one.state_dict())
    assert torch.equal(other.stem[0][0].weight, one.stem[0][0].weight)
    assert other.shared[1].weight.shape != one.shared[1].weight.shape


def test_noisy_labels_become_shares_that_train_takes_beside_votes(
    photographs: list[Path],
    votes_file: Path,
    faceness_file: Path,
    detector_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for photograph in photographs[:4]:
        shutil.copy(photograph, tmp_path / photograph.name)
    names = [photograph.name for photograph in photographs[:4]]
    rows = [f"{name},{label}" for name, label in zip(names, ("happiness", "Neutral", "bliss", "fear"), strict=True)]
    (tmp_path / "manifest.csv").write_text("\n".join(["path,expression", *rows, "gone.jpg,anger"]) + "\n")
    call(monkeypatch, noisy, "--data", tmp_path, "--detector", detector_folder, "--model",
         detector_folder.parent / "affect", "--faces-limit", 0, "--output", tmp_path / "more.npz")  # fmt: skip
    said = capsys.readouterr().out
    assert "no expression: 1 (" in said and "unreadable picture: 1 (gone.jpg)" in said
    packed = np.load(tmp_path / "more.npz")
    assert np.allclose(packed["shares"].sum(axis=1), 1, atol=1e-3)
    assert len(packed["shares"]) == 3
    # A smile that the model sees too: half of it is the label's. A fear that it does not see is not taught.
    assert packed["shares"][0, 1] >= noisy.TRUST + (1 - noisy.TRUST) * noisy.AGREED
    assert packed["shares"][2, 4] < noisy.TRUST
    (tmp_path / "manifest.csv").write_text("path,expression\ngone.jpg,anger\n")
    with pytest.raises(SystemExit, match="no usable row"):
        call(monkeypatch, noisy, "--data", tmp_path, "--detector", detector_folder, "--model",
             detector_folder.parent / "affect", "--output", tmp_path / "none.npz")  # fmt: skip
    call(monkeypatch, train, "--faces", votes_file, "--more", tmp_path / "more.npz", "--run", tmp_path / "run",
         "--batch", 16, "--epochs", 1)  # fmt: skip
    assert f"{32 + len(packed['shares'])} train" in capsys.readouterr().out
    call(monkeypatch, tune_faceness, "--run", tmp_path / "run", "--faces", votes_file, "--more", tmp_path / "more.npz",
         "--faceness", faceness_file, "--epochs", 1)  # fmt: skip
    tuned, _ = export.load_network(tmp_path / "run" / "tuned.pt")
    own = load_faces(votes_file, "train")
    inputs = tune_faceness.features(tuned, own, torch.arange(len(own)))
    assert (tune_faceness.logits_of(tuned.faceness, inputs) >= 0).sum() == len(own) - 1  # .996 of 32, rounded down


def test_sizes_are_trained_evaluated_and_timed_alike(
    votes_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = tmp_path / "start.pt"
    torch.save({"average": AffectNetwork().state_dict()}, start)
    call(monkeypatch, sizes, "--faces", votes_file, "--start-from", start, "--runs", tmp_path / "runs", "--output",
         tmp_path / "sizes.md", "--sizes", 40, 48, "--epochs", 1, "--batch", 16)  # fmt: skip
    rows = [line.split("|") for line in (tmp_path / "sizes.md").read_text().splitlines() if " px |" in line]
    assert [row[1].strip() for row in rows] == ["40 px", "48 px"]
    small, large = (float(row[2].split()[0]) for row in rows)
    assert 1.2 < large / small < 1.7  # the area's ratio is 1.44
    card = json.loads((tmp_path / "runs" / "40" / "card.json").read_text())
    assert card["input"]["size"] == 40
