"""Starts a network from an exported one, where no checkpoint of it is kept: the model that is served, say.

The export has folded batch normalisation into weight and bias; it is unfolded with the statistics of a few faces, so
that the network says at first what the exported one says, as far as their layers agree in shape. What is not exported,
the auxiliary head, stays as it was drawn.
"""

from __future__ import annotations

from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from circumplex_training.network import AffectNetwork

# Each filter gets the length that PyTorch draws at first: normalisation undoes it, the optimizer's step does not know.
FILTER_NORM = 0.577
# Gates of an LSTM: input, output, forget, cell in ONNX; input, forget, cell, output in PyTorch.
GATES = (0, 2, 3, 1)
PREFIX = "network."


def exported_values(graph: onnx.GraphProto) -> dict[str, Tensor]:
    return {tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy()) for tensor in graph.initializer}


def exported_convolutions(graph: onnx.GraphProto, values: dict[str, Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Weight and bias of each convolution, in the order in which they run."""
    return [(values[node.input[1]], values[node.input[2]]) for node in graph.node if node.op_type == "Conv"]


def lstm_values(node: onnx.NodeProto, values: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights and biases of a bidirectional LSTM by PyTorch's names and in its order of gates."""
    inputs, states, biases = (values[name] for name in node.input[1:4])
    inputs_bias, states_bias = biases.chunk(2, dim=1)
    named = {"weight_ih": inputs, "weight_hh": states, "bias_ih": inputs_bias, "bias_hh": states_bias}
    ordered = {}
    for name, both_ways in named.items():
        for suffix, value in zip(("", "_reverse"), both_ways, strict=True):
            gates = value.chunk(4)
            ordered[f"{name}_l0{suffix}"] = torch.cat([gates[gate] for gate in GATES])
    return ordered


def exported_rest(graph: onnx.GraphProto, values: dict[str, Tensor]) -> dict[str, Tensor]:
    """What is no convolution, by its name in the network: the export keeps most names, but not the second level's."""
    convolved = {name for node in graph.node if node.op_type == "Conv" for name in node.input[1:]}
    rest = {
        name.removeprefix(PREFIX): value
        for name, value in values.items()
        if name.startswith(PREFIX) and name not in convolved
    }
    for node in graph.node:
        if node.op_type == "LSTM":
            rest |= {f"layers.lstm.{name}": value for name, value in lstm_values(node, values).items()}
        elif node.op_type == "MatMul" and node.input[1] in values:
            name = node.output[0].removeprefix("/network/").rsplit("/", 1)[0].replace("/", ".")
            rest[f"{name}.weight"] = values[node.input[1]].T
    return rest


def warm_start(network: AffectNetwork, path: Path, grey: Tensor) -> tuple[int, int]:
    """Copies every convolution whose shape agrees with the exported one in its place, and every other tensor whose
    name and shape agree; `grey` B 1 S S are faces as the network sees them. Returns how many convolutions and other
    tensors were copied."""
    graph = onnx.load(path).graph
    own, values = network.state_dict(), exported_values(graph)
    rest = {
        name: value
        for name, value in exported_rest(graph, values).items()
        if name in own and own[name].shape == value.shape
    }
    network.load_state_dict({**own, **rest})
    given = iter(exported_convolutions(graph, values))
    copied = 0
    handles = []

    def take(convolution: nn.Conv2d, inputs: tuple[Tensor, ...], norm: nn.BatchNorm2d | None) -> None:
        nonlocal copied
        weight, bias = next(given)
        if weight.shape != convolution.weight.shape:
            return
        copied += 1
        if norm is None:
            convolution.weight.copy_(weight)
            convolution.bias.copy_(bias)
            return
        length = weight.flatten(1).norm(dim=1).clamp(min=1e-6)
        convolution.weight.copy_(weight * (FILTER_NORM / length).view(-1, 1, 1, 1))
        raw = nn.functional.conv2d(inputs[0], convolution.weight, None, convolution.stride, convolution.padding)
        mean, variance = raw.mean(dim=(0, 2, 3)), raw.var(dim=(0, 2, 3))
        scale = length / FILTER_NORM
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_(scale * (variance + norm.eps).sqrt())
        norm.bias.copy_(bias + scale * mean)

    norms: dict[nn.Module, nn.BatchNorm2d] = {}
    for module in network.modules():
        if isinstance(module, nn.Sequential) and len(module) > 1 and isinstance(module[1], nn.BatchNorm2d):
            norms[module[0]] = module[1]
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            handles.append(
                module.register_forward_pre_hook(lambda layer, inputs: take(layer, inputs, norms.get(layer)))
            )
    was_training = network.training
    network.eval()
    with torch.no_grad():
        network(grey)
    for handle in handles:
        handle.remove()
    network.train(was_training)
    return copied, len(rest)
