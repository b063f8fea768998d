"""A batch's gradient worked out by several threads, each with a part of the batch."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from circumplex_training.augmentation import Batch
from circumplex_training.losses import Tasks, multi_task_loss
from circumplex_training.network import AffectNetwork


class Shards:
    """Works out a batch's gradient in equal parts, one thread each.

    On a busy EPYC Zen 4 one thread does 130 GFLOP/s in bfloat16 and two threads inside the operators do 116: they wait
    for each other at every layer. Parts wait once a batch. Replicas share the weights and have batch statistics of
    their own; the first one's are kept. Not for a GPU, where one part is best. `half_precision` is bfloat16; on a Xeon
    that multiplies it no faster it costs a fifth.
    """

    def __init__(
        self, network: AffectNetwork, count: int, device: str, tasks: Tasks, *, half_precision: bool = True
    ) -> None:
        self.network, self.device, self.tasks, self.half_precision = network, device, tasks, half_precision
        self.parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self.replicas = [network] + [self._twin() for _ in range(count - 1)]
        if device == "cpu":
            torch.set_num_threads(1)
        self.pool = ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,))

    def _twin(self) -> AffectNetwork:
        twin = copy.deepcopy(self.network)
        for ours, theirs in zip(self.network.modules(), twin.modules(), strict=True):
            theirs._parameters = ours._parameters
        return twin

    def _part(self, replica: AffectNetwork, batch: Batch) -> tuple[list[torch.Tensor | None], dict[str, float]]:
        batch = batch.to(self.device)
        with torch.autocast(self.device, torch.bfloat16, enabled=self.half_precision):
            readings = replica(batch.pictures.contiguous(memory_format=torch.channels_last))
        loss, parts = multi_task_loss(readings, batch.targets, batch.is_face, self.tasks)
        return torch.autograd.grad(loss, self.parameters, allow_unused=True), parts

    def gradient(self, make_batch: Sequence[Callable[[], Batch]]) -> dict[str, float]:
        """Leaves the mean gradient of the batches in `.grad`; each is made in its thread. Returns the loss's parts."""

        def work(
            replica: AffectNetwork, make: Callable[[], Batch]
        ) -> tuple[list[torch.Tensor | None], dict[str, float]]:
            replica.train()
            return self._part(replica, make())

        results = list(self.pool.map(work, self.replicas, make_batch))
        for index, parameter in enumerate(self.parameters):
            # A part without labels for a task has no gradient for its head.
            parts = [gradients[index] for gradients, _ in results if gradients[index] is not None]
            parameter.grad = torch.stack(parts).sum(dim=0) / len(results) if parts else None
        losses = [parts for _, parts in results]
        names = dict.fromkeys(name for parts in losses for name in parts)
        return {name: float(np.mean([parts[name] for parts in losses if name in parts])) for name in names}
