"""The exported network through onnxruntime, as the server runs it."""

from __future__ import annotations

import json
import platform
import re
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

OUTPUTS = ("affect", "expressions", "uncertainty", "faceness")


@dataclass(frozen=True)
class Answers:
    """Affect N 2, expression probabilities N 8, uncertainty N, faceness N (1 where the model has no such output)."""

    affect: np.ndarray
    expressions: np.ndarray
    uncertainty: np.ndarray
    faceness: np.ndarray


def processor() -> str:
    """The processor's name, where Linux tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.+)", cpuinfo.read_text()) if cpuinfo.exists() else []
    return names[0] if names else platform.processor() or platform.machine()


class ServedModel:
    """A model's folder (card.json and the file that it names), one thread."""

    def __init__(self, folder: Path, file: str | None = None) -> None:
        card = json.loads((folder / "card.json").read_text())
        self.size: int = card["input"]["size"]
        self.template = np.array([card["template"][name] for name in ("rightEye", "leftEye", "mouthCentre")])
        self.input, self.outputs = card["input"]["name"], card["outputs"]
        self.path = folder / (file or card["file"])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(self.path), options, providers=["CPUExecutionProvider"])

    def read(self, crops: np.ndarray, batch: int = 64) -> Answers:
        """N S S 3 uint8 RGB -> answers."""
        names = [self.outputs[kind] for kind in OUTPUTS if kind in self.outputs]
        parts = [self.session.run(names, {self.input: crops[at : at + batch]}) for at in range(0, len(crops), batch)]
        joined = [np.concatenate(column) for column in zip(*parts, strict=True)]
        return Answers(*joined[:3], joined[3] if len(joined) > 3 else np.ones(len(crops), np.float32))

    def faces_a_second(self, batch: int = 8, rounds: int = 60) -> tuple[float, float]:
        """Best and median over `rounds` runs on one thread."""
        crops = np.random.default_rng(1).integers(0, 256, (batch, self.size, self.size, 3), np.uint8)
        feed, seconds = {self.input: crops}, []
        for _ in range(rounds):
            began = time.perf_counter()
            self.session.run(None, feed)
            seconds.append(time.perf_counter() - began)
        return batch / min(seconds), batch / float(np.median(seconds))
