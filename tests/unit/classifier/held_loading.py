"""Loaders for registries whose models nobody asks: a card is all that they read, at once or when they are let."""

import threading

import numpy as np

from defectory.storage import ObjectStore
from services.classifier.cards import read_card
from services.classifier.serving.batching import Lane
from services.classifier.serving.drift import Watch
from services.classifier.serving.registry import Served
from tests.patience import PATIENT_S


class NoEngine:
    """An engine that is only held."""

    name, batch, parallel = "none", 1, 1

    def run(self, images: np.ndarray, alone: bool) -> np.ndarray:
        raise NotImplementedError


def served_by_nothing(store: ObjectStore, model: str) -> Served:
    """A version as a registry holds it, with an engine that answers nothing."""
    card = read_card(store, model)
    return Served(card, Lane(NoEngine(), list, card.name, card.version), Watch(card))


class HeldLoader:
    """Loads as `served_by_nothing`; models whose names begin so, not before `go_on` is set."""

    def __init__(self, store: ObjectStore, held: str = "") -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()
        self._store = store
        self._held = held

    def __call__(self, model: str) -> Served:
        if model.startswith(self._held):
            self.begun.set()
            assert self.go_on.wait(PATIENT_S)
        return served_by_nothing(self._store, model)
