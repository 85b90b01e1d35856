"""The models that are explained: a few stay loaded, and one after the other is loaded, for those who have the time."""

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from defectory.models import resolve
from defectory.serving.turn import Remaining, turn
from defectory.storage.store import ObjectStore
from services.classifier.card import KIND

if TYPE_CHECKING:
    from services.explainer.explanation import Explainer

KEPT = 4  # of a model and a method each: some two or three models are looked at in turn


class Loaded:
    """Explainers by model and method, for many threads at once; the one used longest ago makes way for a new one."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._lock = threading.Lock()  # held for moments only
        self._loading = threading.Lock()
        self._kept: OrderedDict[tuple[str, str], Explainer] = OrderedDict()

    def get(self, model: str, method: str, remaining_s: Remaining = lambda: None) -> "Explainer":
        """The explainer of "name", "name/version" or "name/label".

        Raises:
            NotFound: no such model. Corrupted: its bundle is broken. InvalidInput: no name.
            Expired: the caller's time is over before other models are loaded.
        """
        name = "/".join(resolve(self._store, KIND, model))
        explainer = self._used(name, method)
        if explainer is not None:
            return explainer
        with turn(self._loading, remaining_s, "other models were loaded"):
            from services.explainer.explanation import Explainer  # TensorFlow comes with the first model

            explainer = self._used(name, method) or Explainer(self._store, name, method)
            with self._lock:
                self._kept[name, method] = explainer
                while len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
        return explainer

    def _used(self, name: str, method: str) -> "Explainer | None":
        with self._lock:
            explainer = self._kept.get((name, method))
            if explainer is not None:
                self._kept.move_to_end((name, method))
            return explainer
