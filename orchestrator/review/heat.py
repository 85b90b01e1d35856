"""What the judge looked at in a picture: asked of the explainer when somebody wants to see it, never before."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from defectory.api.classifier.v1.classifier_pb2 import ImageSource
from defectory.api.explainer.v1.explainer_pb2 import ExplainRequest
from defectory.datasets.manifest_line import ManifestLine
from defectory.datasets.pictures import picture_of
from defectory.errors import FailedPrecondition
from defectory.storage.store import ObjectStore
from orchestrator.pipeline.clients import Services
from orchestrator.pipeline.methods import EXPLAIN

KEPT = 32  # maps in memory
NO_JUDGE = "nobody has judged these pictures, so there is no classifier whose reasons could be shown"


class Heat:
    """Grad-CAM of the judge for a picture's own label, under the picture.

    Args:
        judge: "name/version"; "": there is none.
        services: makes what reaches the explainer. It is called once, in the thread that asks for all maps: a child
            process ends with the thread that started it.
    """

    def __init__(self, store: ObjectStore, judge: str, services: Callable[[], Services]) -> None:
        self._store = store
        self._judge = judge
        self._make = services
        self._services: Services | None = None
        self._worker = ThreadPoolExecutor(1, "heat")
        self._kept: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._lock = threading.Lock()

    def close(self) -> None:
        """Ask for no more maps; one that is on its way ends with its service."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    def overlay(self, line: ManifestLine) -> bytes:
        """The picture under its heat, with a legend, PNG.

        Raises:
            FailedPrecondition: nobody has judged the picture, or its heat says nothing of where.
            Unavailable: there is no explainer, and none can be started. Others: as the explainer says.
        """
        if not self._judge:
            raise FailedPrecondition(NO_JUDGE)
        wanted = (line.file.sha256, line.label)
        with self._lock:
            known = self._kept.get(wanted)
        if known is not None:
            return known
        overlay = self._worker.submit(self._explained, line).result()
        with self._lock:
            self._kept[wanted] = overlay
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return overlay

    def _explained(self, line: ManifestLine) -> bytes:
        if self._services is None:
            self._services = self._make()
        image = ImageSource(content=picture_of(self._store, line))
        answer = self._services.call(EXPLAIN, ExplainRequest(model=self._judge, image=image, label=line.label))
        if answer.unclear:
            raise FailedPrecondition(answer.unclear)
        return answer.overlay
