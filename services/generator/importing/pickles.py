"""Reads a pickle as inert data: tensors, plain containers and records; everything else is refused by name.

A pickle is a program that may call whatever it can name. Here it can name only what stands in `ALLOWED`: containers,
and stand-ins of our own for the few functions that the official files need. Source code in the file stays a string.
"""

import io
import math
import pickle
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from defectory.errors import InvalidInput

NUMBERS = ("f4", "f8", "i4", "i8", "b1")


class Record(dict[str, Any]):
    """Attributes of an object whose class is not loaded."""

    __slots__ = ()  # a pickle can set attributes of what it makes, `get` and `items` among them


def read(data: bytes) -> Any:
    """What the pickle holds.

    Raises:
        InvalidInput: it is cut off, or names something that it may not.
    """
    try:
        return _Reader(io.BytesIO(data)).load()
    except InvalidInput:
        raise
    except Exception as error:  # pickle's virtual machine fails in many ways on what is not a pickle
        raise _refused(f"it cannot be read ({type(error).__name__}: {error})") from error


class _NumberType:
    """A NumPy type in a pickle: its code, e.g. "f8"; only plain numbers."""

    def __init__(self, code: str) -> None:
        if code not in NUMBERS:
            raise _refused(f"it holds a NumPy value of the type {code!r}")
        self.code = code

    def __setstate__(self, state: object) -> None:
        """Byte order and layout, which plain numbers of this machine do not need."""


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Only what is allowed."""
        try:
            return ALLOWED[f"{module}.{name}"]
        except KeyError:
            raise _refused(f"it wants {module}.{name}, which no network needs") from None

    def persistent_load(self, pid: Any) -> Any:
        """Official files have no references to the outside."""
        raise _refused(f"it refers to something outside of it ({str(pid)[:50]})")


def _storage(data: bytes) -> Any:
    """The tensor storage inside; torch's own restricted reader takes it apart."""
    return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


def _tensor(storage: Any, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: object) -> Tensor:
    """A view of a storage, copied; torch sees to its bounds."""
    values = storage._untyped_storage  # the public accessors warn that torch will drop the typed kind
    reach = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True)) + 1 if all(size) else offset
    if min((offset, *size, *stride), default=0) < 0 or reach * storage.dtype.itemsize > values.nbytes():
        raise _refused("a tensor reaches beyond its storage")
    if math.prod(size) * storage.dtype.itemsize > values.nbytes():  # strides of 0 would make much of little
        raise _refused("a tensor has more values than its storage")
    return torch.empty(0, dtype=storage.dtype).set_(values, offset, size, stride).clone()


def _number_type(code: str, *_: object) -> _NumberType:
    return _NumberType(code)


def _number(kind: _NumberType, data: bytes) -> float | int | bool:
    number: float | int | bool = np.frombuffer(data, kind.code, count=1)[0].item()
    return number


def _parameter(data: Tensor, *_: object) -> Tensor:
    return data


def _record(meta: Mapping[str, Any]) -> Record:
    """What the reference's persistence module would make an object of, by executing the source that comes with it."""
    return Record(meta["state"])


# No class of ours is among these: a pickle can set attributes of whatever it can name, too.
ALLOWED: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "collections.OrderedDict": dict,
        "builtins.set": set,
        "numpy.dtype": _number_type,
        "numpy.core.multiarray.scalar": _number,
        "numpy._core.multiarray.scalar": _number,
        "dnnlib.util.EasyDict": dict,
        "torch_utils.persistence._reconstruct_persistent_obj": _record,
        "torch._utils._rebuild_tensor_v2": _tensor,
        "torch._utils._rebuild_parameter": _parameter,
        "torch.storage._load_from_bytes": _storage,
    }
)


def _refused(why: str) -> InvalidInput:
    right = "a network pickle of stylegan2-ada-pytorch"
    return InvalidInput(f"the pickle is refused: {why}; give {right}", {"pickle_uri": right})
