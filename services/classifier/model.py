"""The paper's network and its bundle: one builder for one architecture, read by whoever needs the trained model.

MobileNetV2 without its top, then global average pooling, dropout, dense (L2), batch normalisation, swish, softmax (L2):
Giedra & Vdoviak (2024). Input scaling is part of the network, so what is served is what was trained.
"""

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from defectory.errors import Corrupted
from defectory.models import resolve, version_prefix
from defectory.storage.store import ObjectStore

KIND = "classifier"
TARGET_LAYER = "out_relu"  # MobileNetV2's last convolutional block, which Grad-CAM explains
TOP_FROM = "block_13_expand"  # where the part of the base begins that trainable_base "top" trains


class Architecture(BaseModel):
    """Everything that shapes the network."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    labels: tuple[str, ...] = Field(min_length=2)  # in the order of the outputs
    input_px: int = Field(ge=32, le=512)
    width_multiplier: float = Field(1.0, ge=0.35, le=1.4)
    head_units: int = Field(256, ge=8, le=4096)
    dropout: float = Field(0.3, ge=0, lt=1)
    l2: float = Field(0.01, ge=0)


class CycleCard(BaseModel):
    """One training cycle in a card."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int
    best_epoch: int  # counted from 1, chosen on validation
    weights: str  # file below the version's prefix
    weights_sha256: str


class ClassifierCard(BaseModel):
    """model.json of a classifier; an unknown or missing field is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: str
    architecture: Architecture
    input: str = "uint8 RGB in [0, 255]; the network scales it to [-1, 1]"
    target_layer: str = TARGET_LAYER
    cycles: tuple[CycleCard, ...] = Field(min_length=1)
    main_cycle: int = Field(ge=0)
    weights_sha256: str
    initial_weights: str  # "imagenet" or "random"
    settings: dict[str, Any]
    manifest_uri: str
    content_hash: str  # of the manifest it was trained on


@dataclass(frozen=True)
class Network:
    """One network and the parts that share its weights.

    Attributes:
        model: images (N, input_px, input_px, 3) in [0, 255] -> probabilities (N, labels).
        backbone: images -> the target layer's activations (N, h, w, channels).
        head: activations -> probabilities.
        embed: images -> pooled activations (N, channels).
        top: pooled activations -> probabilities.
        base: the Keras application inside the backbone.
    """

    model: keras.Model
    backbone: keras.Model
    head: keras.Model
    embed: keras.Model
    top: keras.Model
    base: keras.Model


def build(architecture: Architecture, seed: int = 0) -> Network:
    """Build the network with random weights drawn from the seed."""
    keras.utils.set_random_seed(seed)
    size = architecture.input_px
    base = keras.applications.MobileNetV2(
        input_shape=(size, size, 3), alpha=architecture.width_multiplier, include_top=False, weights=None
    )
    images = keras.Input((size, size, 3), name="image")
    # training=False: a few dozen images are too few to estimate the base's batch statistics anew.
    features = base(keras.layers.Rescaling(1 / 127.5, offset=-1.0)(images), training=False)
    backbone = keras.Model(images, features, name="backbone")

    def penalty() -> keras.Regularizer:
        return keras.regularizers.L2(architecture.l2)

    pooled = keras.Input(features.shape[-1:], name="embedding")
    x = keras.layers.Dropout(architecture.dropout, seed=seed, name="dropout")(pooled)
    x = keras.layers.Dense(
        architecture.head_units, kernel_regularizer=penalty(), bias_regularizer=penalty(), name="dense"
    )(x)
    x = keras.layers.Activation("swish", name="swish")(keras.layers.BatchNormalization(name="normalisation")(x))
    outputs = keras.layers.Dense(
        len(architecture.labels), "softmax", kernel_regularizer=penalty(), bias_regularizer=penalty(),
        name="probabilities",
    )(x)  # fmt: skip
    top = keras.Model(pooled, outputs, name="top")
    pooling = keras.layers.GlobalAveragePooling2D(name="pooling")
    activations = keras.Input(features.shape[1:], name="activations")
    head = keras.Model(activations, top(pooling(activations)), name="head")
    return Network(
        model=keras.Model(images, head(features), name="classifier"),
        backbone=backbone,
        head=head,
        embed=keras.Model(images, pooling(features), name="embed"),
        top=top,
        base=base,
    )


def weights_bytes(network: Network) -> bytes:
    """The network's weights as a `.weights.h5` file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "w.weights.h5")
        network.model.save_weights(path)
        return path.read_bytes()


def load_weights(network: Network, data: bytes, sha256: str, name: str) -> None:
    """Load a `.weights.h5` file into the network.

    Raises:
        Corrupted: the hash is another, or the file is not this network's weights.
    """
    if hashlib.sha256(data).hexdigest() != sha256:
        raise Corrupted(f"{name}: SHA-256 differs from the card's; the file was changed or damaged")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "w.weights.h5")
        path.write_bytes(data)
        try:
            network.model.load_weights(path)
        except (ValueError, OSError, KeyError) as error:
            raise Corrupted(f"{name}: not weights of this architecture: {error}") from error


def read_card(store: ObjectStore, model: str) -> ClassifierCard:
    """The card of "name" or "name/version".

    Raises:
        NotFound: no such classifier. Corrupted: a card with a missing, unknown or impossible field.
    """
    name, version = resolve(store, KIND, model)
    key = version_prefix(KIND, name, version) + "model.json"
    try:
        return ClassifierCard.model_validate_json(store.get(key))
    except ValidationError as error:
        why = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise Corrupted(f"{key}: {why}") from error


def load_cycle(store: ObjectStore, card: ClassifierCard, network: Network, cycle: int) -> None:
    """Load one cycle's weights into a network of the card's architecture."""
    entry = card.cycles[cycle]
    key = version_prefix(KIND, card.name, card.version) + entry.weights
    load_weights(network, store.get(key), entry.weights_sha256, key)


def load(store: ObjectStore, model: str) -> tuple[ClassifierCard, Network]:
    """The card and the network with its main weights."""
    card = read_card(store, model)
    network = build(card.architecture)
    load_cycle(store, card, network, card.main_cycle)
    return card, network
