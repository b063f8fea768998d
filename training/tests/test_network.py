"""Shapes, attention, sharing of work and the exported file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from circumplex_training.explain import AttentionReader, mean_of, row_of
from circumplex_training.export import gradient_crop, make_card, write_onnx
from circumplex_training.network import CROP_SIZE, AffectNetwork, Design, RegionAttention, ServedNetwork
from circumplex_training.served import ServedModel
from circumplex_training.speed import multiply_adds


@pytest.fixture(scope="module")
def network() -> AffectNetwork:
    torch.manual_seed(1)
    return AffectNetwork().eval()


@pytest.mark.parametrize("design", [Design(), Design(region_attention=False), Design(layer_attention=False)])
@pytest.mark.parametrize("size", [36, 48])
def test_every_design_reads_every_size(design: Design, size: int) -> None:
    readings = AffectNetwork(design).eval()(torch.zeros(3, 1, size, size))
    assert [tuple(part.shape) for part in readings] == [(3, 2), (3, 8), (3, 2), (3,), (3, 8)]
    assert readings.affect.abs().max() < 1


def test_region_attention_enhances_by_one_to_two() -> None:
    attention, x = RegionAttention(16).eval(), torch.rand(2, 16, 12, 12) + 0.1
    ratio = attention(x) / x
    assert ratio.min() > 1 and ratio.max() < 2


def test_no_depthwise_convolution_and_symmetric_padding(network: AffectNetwork) -> None:
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            assert module.groups == 1
            assert module.padding == (module.kernel_size[0] // 2, module.kernel_size[1] // 2)


def test_colour_does_not_matter_beyond_its_grey(network: AffectNetwork) -> None:
    grey = torch.randint(0, 256, (1, CROP_SIZE, CROP_SIZE, 1), dtype=torch.uint8)
    colour = torch.cat([grey] * 3, dim=3)
    served = ServedNetwork(network).eval()
    with torch.inference_mode():
        affect, expressions, uncertainty, faceness = served(colour)
        plain = network(grey.permute(0, 3, 1, 2).float() / 127.5 - 1).affect
    assert expressions.sum().item() == pytest.approx(1, abs=1e-5)
    assert uncertainty.shape == faceness.shape == (1,)
    assert 0 < faceness.item() < 1 and uncertainty.item() > 0
    assert plain.numpy() == pytest.approx(affect.numpy(), abs=1e-5)


def test_the_file_gives_what_pytorch_gives_and_its_card_fits(network: AffectNetwork, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    assert write_onnx(network, path) <= 1e-4
    assert path.stat().st_size <= 12_000_000
    assert not {node.op_type for node in onnx.load(path).graph.node} & {"DepthwiseConv", "Loop", "Scan", "If"}
    card = make_card(path, version="0.0.1", data="none", epochs=0, parameters=1, parity=0.0)
    assert card["outputs"]["faceness"] == "faceness"
    (tmp_path / "card.json").write_text(json.dumps(card))
    model = ServedModel(tmp_path)
    answers = model.read(np.repeat(gradient_crop(model.size), 3, axis=0), batch=2)
    remembered = card["selfCheck"]
    assert answers.affect == pytest.approx(np.array([remembered["affect"]] * 3), abs=1e-4)
    assert answers.expressions == pytest.approx(np.array([remembered["expressions"]] * 3), abs=1e-4)
    assert answers.uncertainty == pytest.approx([remembered["uncertainty"]] * 3, abs=1e-4)
    assert answers.faceness == pytest.approx([remembered["faceness"]] * 3, abs=1e-4)
    assert answers.faceness.shape == (3,)


def test_a_served_model_shows_a_mask_a_depth_and_weighs_the_depths(network: AffectNetwork, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    write_onnx(network, path)
    card = make_card(path, version="0.0.1", data="none", epochs=0, parameters=1, parity=0.0)
    (tmp_path / "card.json").write_text(json.dumps(card))
    crops = np.random.default_rng(1).integers(0, 256, (2, CROP_SIZE, CROP_SIZE, 3), np.uint8)
    reader = AttentionReader(ServedModel(tmp_path))
    first, second = (reader.read(crop) for crop in crops)
    assert [mask.shape for mask in first.masks] == [(24, 24), (12, 12), (6, 6), (6, 6)]
    assert first.weights.sum() == pytest.approx(1, abs=1e-5)
    # What is shown is what PyTorch's own layers work out.
    grey = torch.from_numpy(crops[0].astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32))[None, None]
    with torch.inference_mode():
        x = network.stages[0](network.stem(grey / 127.5 - 1))
        wanted = network.attentions[0].mask(x).mean(dim=1)[0].numpy()
    assert first.masks[0] == pytest.approx(wanted, abs=1e-4)
    both = mean_of([first, second])
    assert both.masks[1] == pytest.approx((first.masks[1] + second.masks[1]) / 2)
    drawn = row_of(crops[0], first)
    assert drawn.shape[1] == 5 * drawn.shape[0]


def test_faceness_reads_where_things_are(network: AffectNetwork) -> None:
    head = network.faceness
    x = torch.rand(1, 128, 6, 6)
    assert head(x).item() != pytest.approx(head(x.flip(2)).item(), abs=1e-6)
    grey = torch.rand(2, 1, CROP_SIZE, CROP_SIZE) * 2 - 1
    with torch.inference_mode():
        assert torch.allclose(head(network.faceness_features(grey)), network(grey).faceness, atol=1e-5)


def test_counts_multiply_adds_and_reaches_no_more_than_the_peak(network: AffectNetwork, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    write_onnx(network, path)
    counted = 0
    handles = [
        module.register_forward_hook(
            lambda layer, inputs, output: tally.append(layer.weight[0].numel() * output.numel())
        )
        for module in network.modules()
        if isinstance(module, torch.nn.Conv2d)
    ]
    tally: list[int] = []
    with torch.inference_mode():
        network(torch.zeros(1, 1, CROP_SIZE, CROP_SIZE))
    for handle in handles:
        handle.remove()
    counted = sum(tally)
    # The rest (projections, LSTM, heads) is a few per cent.
    assert counted < multiply_adds(path) < 1.02 * counted
