"""Which device computes, and how exactly its arithmetic is."""

import os
from collections.abc import Mapping

import torch

from defectory.errors import InvalidInput
from defectory.job_settings.generator_training import Device
from services.generator.stylegan2 import gate
from services.generator.stylegan2.networks import Generator


def choose(device: Device) -> torch.device:
    """The device of a setting; of several GPUs the one that torchrun gave this process.

    Raises:
        InvalidInput: a GPU is wanted where there is none.
    """
    has_gpu = torch.cuda.is_available()
    if device == "cuda" and not has_gpu:
        right = "use auto or cpu, or a machine with a GPU and a torch that is built for it"
        raise InvalidInput(f"device is cuda, but torch finds no GPU here: {right}", {"settings.device": right})
    if device == "cpu" or not has_gpu:
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


def configure(device: torch.device, *, tf32: bool = False, search: bool = False) -> None:
    """Set how a GPU multiplies, for the whole process.

    Args:
        tf32: let products of fp32 round their factors to 10 bits of mantissa; torch does so in convolutions by itself.
        search: let cuDNN try its algorithms for every new shape and take the fastest; without it the same shapes give
            the same bytes in every process.
    """
    if device.type != "cuda":
        return
    torch.cuda.set_device(device)
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = search
    torch.backends.cudnn.deterministic = not search


def set_up(settings: Mapping[str, str]) -> Device:
    """Let this process convolve as a service is set to; the device that it is set to.

    Args:
        settings: of the service, as its jobs are told them.
    """
    gate.switch("off" if settings.get("compiled_loops") == "off" else "auto")
    return "cuda" if settings.get("device") == "cuda" else "auto"


def on_best_device(generator: Generator, wanted: Device = "auto") -> Generator:
    """A network where pictures are made fastest; the same seeds give the same bytes there again.

    Raises:
        InvalidInput: a GPU is wanted where there is none.
    """
    device = choose(wanted)
    configure(device)
    return generator.to(device)
