"""A generator as one safetensors file with its card in the metadata, and back: read only when both fit."""

import hashlib
import json
import struct
from collections.abc import Mapping

import safetensors.torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from defectory.errors import Corrupted, InvalidInput
from defectory.storage import ObjectStore
from services.generator import bundle
from services.generator import tensors as tensor_files
from services.generator.bundle import GeneratorCard
from services.generator.stylegan2.networks import Generator

MAX_HEADER = 10 * 2**20
FORMAT = "defectory-generator-1"


class Metadata(BaseModel):
    """What stands in the file's header beside the tensors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: str = Field(pattern=f"^{FORMAT}$")
    card: str  # GeneratorCard as JSON; its weights_sha256 is that of the tensors without this metadata
    architecture: str  # the card's once more, for programs that want nothing else


def export(generator: Generator, card: GeneratorCard) -> bytes:
    """The file: the weights under the names of `Generator`, and the card."""
    architecture = json.dumps(card.architecture.model_dump(), sort_keys=True)
    metadata = Metadata(format=FORMAT, card=card.model_dump_json(), architecture=architecture)
    state = generator.state_dict()
    tensors = {name: state[name].detach().contiguous() for name in sorted(state)}
    return safetensors.torch.save(tensors, metadata.model_dump())


def import_file(store: ObjectStore, data: bytes, name: str, version: str, label: str) -> GeneratorCard:
    """Write the generator of an exported file into the store.

    Args:
        version: reserved for it, see `defectory.models.reserve_version`.
        label: of what it makes images; empty: as the file says.

    Raises:
        InvalidInput: not such a file, or one that was changed; says in what.
    """
    try:
        card, weights = _read(data)
    except Corrupted as error:
        right = "an unchanged file of `defectory generator export --format safetensors`"
        raise InvalidInput(f"{error}; give {right}", {"safetensors_uri": right}) from error
    fields = {field: getattr(card, field) for field in GeneratorCard.model_fields} | {
        "name": name, "version": version, "label": label or card.label,
        "initial_model": "", "sample_key": "", "video_key": "", "history": (),  # these stayed where it was trained
        "source": f"export of {card.full_name}, weights {card.weights_sha256}",
    }  # fmt: skip
    return bundle.write(store, fields, weights)


def _read(data: bytes) -> tuple[GeneratorCard, dict[str, Tensor]]:
    """Card and weights; Corrupted unless names, shapes, types, values and hash are those that the card promises."""
    card = _card(_metadata(data))
    what = f"the exported file of {card.full_name}"
    weights = tensor_files.parse(data, hashlib.sha256(data).hexdigest(), what)
    tensor_files.check(weights, Generator(card.architecture).state_dict(), what)
    sha256 = tensor_files.dump(weights)[1]
    if sha256 != card.weights_sha256:
        raise Corrupted(f"{what}: its weights have SHA-256 {sha256[:12]}…, its card says {card.weights_sha256[:12]}…")
    return card, weights


def _metadata(data: bytes) -> Mapping[str, object]:
    """The `__metadata__` of the header: its length in eight bytes, then JSON."""
    try:
        (length,) = struct.unpack_from("<Q", data)
        if length > MAX_HEADER:
            raise ValueError(f"a header of {length} bytes")
        header = json.loads(data[8 : 8 + length])
        metadata = header["__metadata__"]
    except (struct.error, ValueError, KeyError, TypeError) as error:
        raise Corrupted(f"the file is not an exported generator: its header cannot be read ({error})") from error
    if not isinstance(metadata, Mapping):
        raise Corrupted("the file is not an exported generator: its metadata are none")
    return metadata


def _card(metadata: Mapping[str, object]) -> GeneratorCard:
    try:
        fields = Metadata.model_validate(metadata)
        card = GeneratorCard.model_validate_json(fields.card)
        same = json.loads(fields.architecture) == card.architecture.model_dump()
    except (ValidationError, ValueError) as error:
        raise Corrupted(f"the file's metadata are not those of an exported generator: {error}") from error
    if not same:
        raise Corrupted("the file's architecture is not the one on its card")
    return card
