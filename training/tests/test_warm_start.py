"""A network that starts from an exported one has its features."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from circumplex_training import network as network_module
from circumplex_training.export import write_onnx
from circumplex_training.network import AffectNetwork
from circumplex_training.warm_start import warm_start


@pytest.fixture(scope="module")
def faces() -> torch.Tensor:
    return torch.rand(16, 1, 48, 48, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, faces: torch.Tensor) -> tuple[AffectNetwork, Path]:
    torch.manual_seed(1)
    network = AffectNetwork().train()
    with torch.no_grad():
        for parameter in network.parameters():  # the exporter keeps equal tensors once; after training none are
            parameter.add_(0.01 * torch.randn_like(parameter))
    for _ in range(30):  # statistics of its own, as after training
        network(faces)
    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    write_onnx(network.eval(), path)
    return network, path


def depths(network: AffectNetwork, faces: torch.Tensor) -> list[torch.Tensor]:
    found: list[torch.Tensor] = []
    hooks = [
        token.register_forward_hook(lambda *call: found.append(call[2].mean(dim=(2, 3)))) for token in network.tokens
    ]
    with torch.inference_mode():
        network.eval()(faces)
    for hook in hooks:
        hook.remove()
    return found


def test_has_the_same_features_at_every_depth(exported: tuple[AffectNetwork, Path], faces: torch.Tensor) -> None:
    given, path = exported
    torch.manual_seed(2)
    fresh = AffectNetwork()
    convolutions = sum(isinstance(module, torch.nn.Conv2d) for module in fresh.modules())
    assert warm_start(fresh, path, faces)[0] == convolutions
    for wanted, found in zip(depths(given, faces), depths(fresh, faces), strict=True):
        assert torch.allclose(wanted, found, atol=1e-3)


def test_says_what_the_exported_one_says(exported: tuple[AffectNetwork, Path], faces: torch.Tensor) -> None:
    given, path = exported
    torch.manual_seed(3)
    fresh = AffectNetwork()
    # Nothing is missing but the auxiliary head.
    folded = (torch.nn.Conv2d, torch.nn.BatchNorm2d)
    unfolded = {name for name, module in fresh.named_modules() if isinstance(module, folded)}
    rest = [name for name, _ in fresh.named_parameters() if name.rsplit(".", 1)[0] not in {*unfolded, "auxiliary"}]
    assert warm_start(fresh, path, faces)[1] == len(rest)
    others = torch.rand(8, 1, 48, 48, generator=torch.Generator().manual_seed(2)) * 2 - 1
    with torch.inference_mode():
        wanted, found = given.eval()(others), fresh.eval()(others)
    for name in ("affect", "logits", "log_variance", "faceness"):
        assert torch.allclose(getattr(wanted, name), getattr(found, name), atol=1e-3), name


def test_layers_of_another_width_stay_fresh(
    exported: tuple[AffectNetwork, Path], faces: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, path = exported
    monkeypatch.setattr(network_module, "WIDTHS", (32, 64, 128, 96))
    narrower = AffectNetwork()
    copied, _ = warm_start(narrower, path, faces)
    assert 0 < copied < sum(isinstance(module, torch.nn.Conv2d) for module in narrower.modules())
    for wanted, found in zip(depths(given, faces)[:3], depths(narrower, faces), strict=False):
        assert torch.allclose(wanted, found, atol=1e-3)
