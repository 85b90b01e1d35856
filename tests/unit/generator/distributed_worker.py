"""One process of a training on several: started by torchrun, writes what it learned. See test_generator_distributed."""

import json
import sys
from pathlib import Path

import torch

from services.generator.training import distributed
from tests.unit.generator.test_generator_training import digest, make


def main() -> None:
    """Train a few steps and write the state of every process beside the folder's name."""
    torch.set_num_threads(1)
    world = distributed.join(gpu=False)
    one = make(world=world, **json.loads(sys.argv[2]))
    losses = [one.train_step() and one.losses.read() for _ in range(int(sys.argv[3]))]
    found = {"weights": one.state()[0], "digest": digest(one), "losses": losses, "r_t": one.control.r_t}
    torch.save(found, Path(sys.argv[1]) / f"{world.rank}.pt")
    distributed.leave()


if __name__ == "__main__":
    main()
