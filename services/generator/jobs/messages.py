"""What the jobs' requests and responses share: required fields, a card as a message."""

import hashlib

from defectory.api.generator.v1 import generator_pb2
from defectory.errors import InvalidInput
from defectory.serving.operations.context import JobContext
from defectory.storage import ObjectStore
from services.generator import bundle
from services.generator.training.snapshots import HISTORY


def describe(store: ObjectStore, card: bundle.GeneratorCard) -> generator_pb2.Generator:
    """A card as the message that callers get."""
    return generator_pb2.Generator(
        name=card.name,
        version=card.version,
        label=card.label,
        resolution_px=card.architecture.resolution_px,
        channels=card.architecture.channels,
        kimg=card.kimg,
        augment_p=card.augment_p,
        weights_sha256=card.weights_sha256,
        weights_uri=store.uri(card.prefix + bundle.WEIGHTS),
        card_uri=store.uri(card.prefix + "model.json"),
        sample_uri=store.uri(card.sample_key) if card.sample_key else "",
        classes=card.classes,
        training_images=card.training_images,
        seed=card.seed,
        initial_model=card.initial_model,
        source=card.source,
        manifest_uri=card.manifest_uri,
        channel_base=card.architecture.channel_base,
        z_dim=card.architecture.z_dim,
        w_dim=card.architecture.w_dim,
        shipped_kimg=card.shipped_kimg or 0.0,
        shipped_reason=card.shipped_reason,
        leaks=card.leaks,
        metrics_uri=store.uri(card.prefix + HISTORY) if card.history else "",
        video_uri=store.uri(card.video_key) if card.video_key else "",
    )


def require(value: str, field: str) -> None:
    """InvalidInput when a field is empty."""
    if not value:
        raise InvalidInput(f"{field} is empty", {field: "required"})


def write_file(job: JobContext, name: str, data: bytes) -> tuple[str, str]:
    """Write what an operation made for people or other programs; returns its URI and its SHA-256."""
    key = f"exports/{job.operation_id}/{name}"
    job.store.put(key, data)
    return job.store.uri(key), hashlib.sha256(data).hexdigest()
