"""Model versions in the store: `models/<kind>/<name>/<version>/`, complete once `model.json` is there."""

import json
import re
from collections.abc import Mapping
from typing import Any

from defectory.alike import did_you_mean
from defectory.errors import AlreadyExists, Corrupted, InvalidInput, NotFound
from defectory.storage.references import rooted
from defectory.storage.store import ObjectStore

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
MAX_CARD_BYTES, MAX_LABEL_BYTES = 4 << 20, 32  # a card of 100 cycles and 1000 labels has a tenth of that
MAX_SEED = 2**62  # of a training
LABELS = ("stable", "canary")  # what a version can be called besides its number


def check_name(name: str, field: str = "name") -> str:
    """The name, or InvalidInput."""
    if not is_name(name):
        right = "use 1 to 63 of a-z, 0-9, '.', '_' and '-', starting with a letter or digit"
        raise InvalidInput(f"{field} {name!r} is not a name: {right}", {field: right})
    return name


def is_name(name: str) -> bool:
    """Whether something in a store can be called so; a path cannot."""
    return bool(NAME.fullmatch(name))


def check_seed(seed: int) -> int:
    """The seed, or InvalidInput: cycles and steps count on from it, in numbers of 64 bits."""
    if not 0 <= seed <= MAX_SEED:
        right = "use 0 to 2^62"
        raise InvalidInput(f"seed {seed}: {right}", {"seed": right})
    return seed


def version_prefix(kind: str, name: str, version: str) -> str:
    """Key prefix of a version, ending in '/'."""
    return f"models/{kind}/{name}/{version}/"


def reserve_version(store: ObjectStore, kind: str, name: str, operation_id: str) -> str:
    """A version number that belongs to one operation: the next free one, or the one it reserved before."""
    check_name(name)
    prefix = f"models/{kind}/{name}/"
    taken: set[int] = set()
    for info in store.list(prefix):
        version, _, rest = info.key[len(prefix) :].partition("/")
        if version.isdecimal():
            taken.add(int(version))
            if rest == "reserved" and store.get(info.key).decode() == operation_id:
                return version
    version_number = max(taken, default=0) + 1
    while True:
        try:
            store.put(f"{prefix}{version_number}/reserved", operation_id.encode(), if_absent=True)
            return str(version_number)
        except AlreadyExists:
            version_number += 1


def resolve(store: ObjectStore, kind: str, model: str) -> tuple[str, str]:
    """(name, version) of "name" (the version labelled stable, else the newest), "name/version" or "name/label".

    Raises:
        NotFound: no such model, version or label. InvalidInput: neither a number nor a label. Corrupted: the labels.
    """
    name, _, version = model.partition("/")
    if not is_name(name):
        check_name(model, "model")
    versions = complete_versions(store, kind, name)
    if not versions:
        known = {known for known, _ in list_models(store, kind)}
        meant = did_you_mean(name, known, behind=lambda one: _is_judge(store, kind, one))
        raise NotFound(f"there is no {kind} {name!r} in {store.url}{meant}")
    labels = read_labels(store, kind, name) if version in ("", *LABELS) else {}
    if not version:
        stable = labels.get("stable", "")
        return name, stable if stable in versions else versions[0]
    number = version_number(kind, name, version, labels)
    if number not in versions:
        raise NotFound(f"{kind} {name!r} has no version {number!r}; it has {', '.join(versions)}")
    return name, number


def _is_judge(store: ObjectStore, kind: str, name: str) -> bool:
    """Whether a model was trained in folds: to judge images, and not to be served."""
    try:
        settings = read_model_card(store, kind, name, complete_versions(store, kind, name)[0]).get("settings")
    except Corrupted:
        return True
    return isinstance(settings, dict) and bool(settings.get("folds"))


def version_number(kind: str, name: str, version: str, labels: Mapping[str, str]) -> str:
    """The number that a version stands for, itself or by its label.

    Raises:
        NotFound: a label that no version has. InvalidInput: neither a number nor a label.
    """
    if version in LABELS:
        if version not in labels:
            raise NotFound(f"{kind} {name!r} has no version labelled {version!r}")
        return labels[version]
    if not version.isdecimal():
        right = f"use a number, {', '.join(LABELS)} or nothing"
        raise InvalidInput(f"version {version!r} of {kind} {name!r}: {right}", {"model": right})
    return version


def complete_versions(store: ObjectStore, kind: str, name: str) -> list[str]:
    """Versions that have a card, newest first."""
    prefix = f"models/{kind}/{name}/"
    parts = (info.key[len(prefix) :].split("/") for info in store.list(prefix))
    versions = (p[0] for p in parts if len(p) == 2 and p[1] == "model.json" and p[0].isdecimal())
    return sorted(versions, key=int, reverse=True)


def list_models(store: ObjectStore, kind: str) -> list[tuple[str, str]]:
    """(name, version) of every complete model, by name, newest version first."""
    prefix = f"models/{kind}/"
    parts = (info.key[len(prefix) :].split("/") for info in store.list(prefix))
    models = [(p[0], p[1]) for p in parts if len(p) == 3 and p[2] == "model.json" and p[1].isdecimal()]
    return sorted(models, key=lambda item: (item[0], -int(item[1])))


def read_model_card(store: ObjectStore, kind: str, name: str, version: str) -> dict[str, Any]:
    """The card of a complete version; Corrupted where it is no JSON object."""
    key = version_prefix(kind, name, version) + "model.json"
    what = f"the card of {kind} {name}/{version}"
    card = _read_json(store, key, what)
    if not isinstance(card, dict):
        raise Corrupted(f"{what} is no JSON object: make the model again")
    return card


def read_labels(store: ObjectStore, kind: str, name: str) -> dict[str, str]:
    """Label -> version of a model, e.g. {"stable": "3", "canary": "4"}; none where none was ever set.

    Raises:
        Corrupted: a label's object holds no number.
    """
    labels = {}
    for label in LABELS:
        key = _label_key(kind, name, label)
        try:
            version = _read_small(store, key, MAX_LABEL_BYTES, f"the label {label} of {kind} {name}")
        except NotFound:
            continue
        if not version.isdigit():
            raise Corrupted(f"the label {label} of {kind} {name} holds no version's number: set it anew")
        labels[label] = version.decode()
    return labels


def set_label(store: ObjectStore, kind: str, model: str, label: str) -> dict[str, str]:
    """Give a label to "name/version", taking it from the version that had it; returns the labels as they are then.

    An object for each label: whoever sets another at the same time undoes nothing.

    Raises:
        InvalidInput: another label, no version. NotFound: no such version.
    """
    _check_label(label)
    if "/" not in model:
        right = 'name the version: "name/version"'
        raise InvalidInput(f"{model!r} names no version: {right}", {"model": right})
    name, version = resolve(store, kind, model)
    store.put(_label_key(kind, name, label), version.encode())
    return read_labels(store, kind, name)


def remove_label(store: ObjectStore, kind: str, name: str, label: str) -> dict[str, str]:
    """Take a label from whichever version has it; returns the labels that are left.

    Raises:
        InvalidInput: another label, or no bare name. NotFound: no version has it.
    """
    _check_label(label)
    key = _label_key(kind, check_name(name, "model"), label)
    if not store.exists(key):
        raise NotFound(f"{kind} {name!r} has no version labelled {label!r}")
    store.delete(key)
    return read_labels(store, kind, name)


def _check_label(label: str) -> None:
    if label not in LABELS:
        right = f"use {' or '.join(LABELS)}"
        raise InvalidInput(f"there is no label {label!r}: {right}", {"label": right})


def _label_key(kind: str, name: str, label: str) -> str:
    return f"models/{kind}/{name}/labels/{label}"


def _read_json(store: ObjectStore, key: str, what: str) -> Any:
    try:
        return json.loads(rooted(_read_small(store, key, MAX_CARD_BYTES, what), store))
    except (ValueError, RecursionError) as error:  # the latter where it is nested thousands deep
        raise Corrupted(f"{what} is not JSON: {error}") from error


def _read_small(store: ObjectStore, key: str, max_bytes: int, what: str) -> bytes:
    """An object that is read only where it is as small as it ought to be; Corrupted otherwise.

    Args:
        what: it is, for a person.
    """
    size = store.head(key).size_bytes
    if size > max_bytes:
        raise Corrupted(f"{what} has {size} bytes; what belongs there has at most {max_bytes}")
    return store.get(key)
