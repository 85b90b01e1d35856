"""One training on several processes: which rows of a batch are whose, and sums over all of them.

Every process draws the random numbers of the whole batch and computes on every n-th row of it, so that n processes
(or n parts of a batch, one after the other) learn what one would: also the groups of the minibatch deviation, whose
samples lie N / group apart, are the same as long as a part is a multiple of the group.

`torchrun` starts the processes and says through the environment who they are (torch.distributed.run's documentation).
"""

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

Result = TypeVar("Result")


@dataclass(frozen=True)
class World:
    """The processes that train together; alone, nothing is sent anywhere."""

    rank: int = 0
    size: int = 1

    @property
    def writes(self) -> bool:
        """Whether this process writes to the store and reports."""
        return self.rank == 0

    def in_turn(self, call: Callable[[], Result]) -> Result:
        """The first process calls before the others do, so that they find what it wrote."""
        if self.size > 1 and not self.writes:
            dist.barrier()
        result = call()
        if self.size > 1 and self.writes:
            dist.barrier()
        return result

    def agreed(self, value: Result) -> Result:
        """What the first process has found, on each: another device may have found a last digit otherwise."""
        if self.size == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values)
        return values[0]

    def any(self, happened: bool) -> bool:
        """Whether it happened on one of the processes."""
        if self.size == 1:
            return happened
        answers = [False] * self.size
        dist.all_gather_object(answers, happened)
        return any(answers)

    def total(self, value: Tensor) -> Tensor:
        """Sum over the processes, the same on each."""
        if self.size > 1:
            value = value.clone()
            dist.all_reduce(value)
        return value

    def mean(self, values: Tensor) -> Tensor:
        """Mean of the values (N,) of all processes, each of which has some."""
        if self.size == 1:
            return values.mean()
        total = self.total(torch.stack([values.sum(), values.new_full((), float(len(values)))]))
        return total[0] / total[1]

    def total_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Replace every gradient by its sum over the processes; all of them have gradients of the same parameters."""
        gradients = [p.grad for p in parameters if p.grad is not None]
        if self.size == 1 or not gradients:
            return
        together = torch.cat([gradient.flatten() for gradient in gradients])  # one message, not one a parameter
        dist.all_reduce(together)
        parts = torch.split(together, [g.numel() for g in gradients])
        for gradient, summed in zip(gradients, parts, strict=True):
            gradient.copy_(summed.view_as(gradient))

    def parts(self, count: int, micro_batch: int) -> Iterator[tuple[slice, float]]:
        """Rows of a batch that this process computes on, a part at a time, and each part's share of the batch.

        Args:
            count: rows of the whole batch, at least one a process.
            micro_batch: rows of a part at most; 0: as many as a process has.
        """
        own = count / self.size
        number = self.size * (math.ceil(own / micro_batch) if micro_batch else 1)
        for part in range(self.rank, number, self.size):
            yield slice(part, None, number), len(range(part, count, number)) / count


ALONE = World()


def join(environment: Mapping[str, str] = os.environ, *, gpu: bool) -> World:
    """Meet the other processes that torchrun started; without torchrun there are none.

    Args:
        gpu: talk through NCCL, else gloo.
    """
    size = int(environment.get("WORLD_SIZE", "1"))
    if size == 1:
        return ALONE
    dist.init_process_group("nccl" if gpu else "gloo")
    return World(dist.get_rank(), size)


def leave() -> None:
    """Say good-bye to the other processes."""
    if dist.is_initialized():
        dist.destroy_process_group()
