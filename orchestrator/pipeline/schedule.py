"""In which order steps begin, and which go on beside each other: what the runner does, and what it takes in all."""

from collections.abc import Callable, Mapping, Sequence

from pydantic import BaseModel

from orchestrator.pipeline.step import Step

HIDDEN = 0.8  # of the shorter of two pieces of work that go on beside each other: so much less than both in turn


def next_step(
    waiting: Sequence[Step[BaseModel]], has_all: Callable[[tuple[str, ...]], bool], *, alone: bool
) -> Step[BaseModel] | None:
    """The step to begin now: first one that others can go on beside; None: all wait for some that are under way.

    Args:
        has_all: whether steps of these names are done.
        alone: nothing goes on beside; else no other such step begins, since they share a service and its cores.
    """
    ready = [step for step in waiting if has_all(step.needs) and (alone or not step.beside)]
    return min(ready, key=lambda step: not step.beside, default=None)


def elapsed_s(line: Sequence[Step[BaseModel]], seconds: Mapping[str, float]) -> float:
    """What a line takes whose steps take so long, some of them beside others.

    While two steps go on, each is slowed so that HIDDEN of the shorter one is saved. A step without seconds takes none.
    """
    waiting, done = list(line), set[str]()
    clock = left_s = 0.0  # left: of what goes on beside
    beside = ""
    while waiting or beside:
        if beside and left_s <= 0:
            done.add(beside)
            beside = ""
        step = next_step(waiting, done.issuperset, alone=not beside)
        if step is None:  # all wait for what is under way
            clock, left_s = clock + left_s, 0.0
            continue
        waiting.remove(step)
        own_s = seconds.get(step.name, 0.0)
        if step.beside:
            beside, left_s = step.name, own_s
            continue
        shared_s = min(own_s, left_s)
        clock += own_s + (1 - HIDDEN) * shared_s
        left_s -= shared_s
        done.add(step.name)
    return clock
