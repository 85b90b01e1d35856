"""Makes a version ready to answer: weights into a graph, the graph into an engine, the engine checked."""

from defectory.storage.store import ObjectStore
from services.classifier.bundle import read_bundle
from services.classifier.golden import check_golden
from services.classifier.serving.batching import Lane
from services.classifier.serving.decided import by
from services.classifier.serving.drift import Watch
from services.classifier.serving.engine import EngineName, check_engine, make_engine, reference
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
        card, weights = read_bundle(self._store, model)
        answer = reference(card.architecture, weights)
        check_golden(card, answer)
        engine = make_engine(self._engine, card.architecture, weights, self._threads)
        check_engine(engine, answer, card.architecture.input_px, card.full_name)
        return Served(card, Lane(engine, by(card.rule), card.name, card.version), Watch(card))
