"""Faces a second of an exported model on one thread, and the share of what the thread can multiply at best.

python -m circumplex_training.speed --model ../models/affect
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

from circumplex_training.served import ServedModel

# A product that is large enough to reach the peak, and whose parts fit the caches.
PEAK_SIDE = 384
ROUNDS = 8


def multiply_adds(path: Path) -> int:
    """Of one face: convolutions, products of matrices, and LSTMs."""
    graph = onnx.load(path).graph
    for value in graph.input:
        value.type.tensor_type.shape.dim[0].dim_value = 1
    for value in graph.output:
        value.type.tensor_type.shape.dim[0].dim_value = 1
    inferred = onnx.shape_inference.infer_shapes(helper.make_model(graph), data_prop=True).graph
    shapes = {
        value.name: [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]
        for value in (*inferred.value_info, *inferred.output)
    }
    # An int8 variant's weights come out of nodes that give them back their scale: their shapes are inferred.
    weights = {**shapes, **{tensor.name: list(tensor.dims) for tensor in inferred.initializer}}
    total = 0
    for node in inferred.node:
        match node.op_type:
            case "Conv":
                total += int(np.prod(weights[node.input[1]][1:])) * int(np.prod(shapes[node.output[0]]))
            case "Gemm" | "MatMul" if node.input[1] in weights:
                rows = int(np.prod(shapes[node.output[0]][:-1])) if node.output[0] in shapes else 1
                total += int(np.prod(weights[node.input[1]])) * max(1, rows)
            case "LSTM":
                steps = max(1, shapes.get(node.output[0], [4])[0])
                total += steps * sum(int(np.prod(weights[name])) for name in node.input[1:3])
    return total


def product_session() -> onnxruntime.InferenceSession:
    """A single product of two matrices of PEAK_SIDE, in onnxruntime on one thread, like the model."""
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [PEAK_SIDE] * 2) for name in ("a", "b", "c")]
    graph = helper.make_graph([helper.make_node("MatMul", ["a", "b"], ["c"])], "product", values[:2], values[2:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def peak_of(session: onnxruntime.InferenceSession) -> float:
    """Multiply-adds a second, the best of a few products."""
    random = np.random.default_rng(1)
    feed = {name: random.random((PEAK_SIDE, PEAK_SIDE), np.float32) for name in ("a", "b")}
    best = np.inf
    for _ in range(40):
        began = time.perf_counter()
        session.run(None, feed)
        best = min(best, time.perf_counter() - began)
    return PEAK_SIDE**3 / best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--batch", type=int, default=8)
    options = parser.parse_args()
    model, product = ServedModel(options.model), product_session()
    each = multiply_adds(model.path)
    best, median, peak = 0.0, [], 0.0
    # Alternately, so that what else the machine does meets both.
    for _ in range(ROUNDS):
        some = model.faces_a_second(options.batch)
        best, median = max(best, some[0]), [*median, some[1]]
        peak = max(peak, peak_of(product))
    print(
        f"{model.path.name}, one thread, batch {options.batch}: {best:.0f} faces/s at best, {np.median(median):.0f} in "
        f"the median; {each / 1e6:.0f} M multiply-adds a face, {best * each / 1e9:.1f} G/s of {peak / 1e9:.1f} G/s "
        f"that a product of {PEAK_SIDE}x{PEAK_SIDE} matrices reaches here: {best * each / peak:.0%}"
    )


if __name__ == "__main__":
    main()
