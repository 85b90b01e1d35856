"""Makes a version ready to answer: weights into the network, the network into an engine, the engine checked."""

import numpy as np

from defectory.storage.store import ObjectStore
from services.classifier.bundle import load
from services.classifier.golden import check_golden
from services.classifier.serving.batching import Lane
from services.classifier.serving.decided import by
from services.classifier.serving.engine import EngineName, check_engine, make_engine
from services.classifier.serving.registry import Served


class Loader:
    """Loads versions for one kind of engine."""

    def __init__(self, store: ObjectStore, engine: EngineName, threads: int) -> None:
        self._store = store
        self._engine: EngineName = engine
        self._threads = threads

    def __call__(self, model: str) -> Served:
        """The version "name/version", warm and checked.

        Raises:
            NotFound: no such version. Corrupted: its bundle is broken, or it does not answer as it should.
        """
        card, network = load(self._store, model)
        check_golden(card, network)
        engine = make_engine(self._engine, network, self._threads)
        check_engine(
            engine,
            lambda images: np.asarray(network.model(images, training=False)),
            card.architecture.input_px,
            card.full_name,
        )
        return Served(card, Lane(engine, by(card.rule), card.name, card.version))
