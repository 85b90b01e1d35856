"""Tensors as safetensors bytes: written, and read back only when they are exactly what was expected."""

import hashlib
from collections.abc import Mapping

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from defectory.errors import Corrupted


def dump(tensors: Mapping[str, Tensor]) -> tuple[bytes, str]:
    """Bytes in safetensors format and their SHA-256; the same tensors give the same bytes."""
    data = safetensors.torch.save({name: tensors[name].detach().cpu().contiguous() for name in sorted(tensors)})
    return data, hashlib.sha256(data).hexdigest()


def parse(data: bytes, sha256: str, name: str) -> dict[str, Tensor]:
    """Tensors from bytes; nothing in them is executed.

    Raises:
        Corrupted: another hash, or not safetensors.
    """
    actual_sha256 = hashlib.sha256(data).hexdigest()
    if actual_sha256 != sha256:
        raise Corrupted(
            f"{name} has SHA-256 {actual_sha256[:12]}…, its card says {sha256[:12]}…: it was changed or cut off"
        )
    try:
        return safetensors.torch.load(data)
    except SafetensorError as error:
        raise Corrupted(f"{name} is not a safetensors file: {error}") from error


def under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Those whose names begin with a prefix, by the rest of the name."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def check(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor], name: str) -> None:
    """Compare names, shapes, types with what a network expects, and see that all values are finite.

    Raises:
        Corrupted: names the first difference.
    """
    missing, unknown = sorted(expected.keys() - tensors.keys()), sorted(tensors.keys() - expected.keys())
    if missing or unknown:
        what = f"lacks {missing[0]!r}" if missing else f"has an unknown {unknown[0]!r}"
        raise Corrupted(
            f"{name} does not fit its architecture: it {what} ({len(missing)} missing, {len(unknown)} extra)"
        )
    for key, value in expected.items():
        given = tensors[key]
        if given.shape != value.shape or given.dtype != value.dtype:
            raise Corrupted(
                f"{name}: {key!r} is {given.dtype}{tuple(given.shape)}, the architecture wants "
                f"{value.dtype}{tuple(value.shape)}"
            )
        if not bool(torch.isfinite(given).all()):
            raise Corrupted(f"{name}: {key!r} holds values that are not finite")
