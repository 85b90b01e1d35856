"""Heatmaps of answers, asked of the explainer service: a few a call, and no more at once than it may have waiting."""

from collections.abc import Callable, Sequence

from defectory.errors import Exhausted, Expired, InvalidInput
from defectory.serving.admission import Admission
from services.classifier.serving.answering import Caller, Source

Explain = Callable[[str, Source, str, Caller], bytes]

MAX_HEATMAPS = 16  # of a call
MAX_WAITING = 32  # of all calls


class Heatmaps:
    """Asks for the heatmaps of calls, from many threads at once.

    Args:
        explain: (model, image, label, for whom) -> PNG.
        max_bytes: of a call's heatmaps in all, so that its answer fits into a message.
    """

    def __init__(self, explain: Explain, max_bytes: int) -> None:
        self._explain = explain
        self._max_bytes = max_bytes
        self._admission = Admission(MAX_WAITING)

    @staticmethod
    def check_count(images: int) -> None:
        """InvalidInput for a call of more than MAX_HEATMAPS images."""
        if images > MAX_HEATMAPS:
            right = f"ask for heatmaps of at most {MAX_HEATMAPS} images a call"
            raise InvalidInput(f"heatmaps of {images} images: {right}", {"heatmap": right})

    def of(self, model: str, images: Sequence[Source], labels: Sequence[str], caller: Caller) -> list[bytes]:
        """The images' heatmaps as PNG, each of its label.

        Raises:
            Exhausted: too many wait for one, or they are too large for one answer. Expired, Cancelled: the caller's
            time is over.
            Unavailable, …: as the explainer says.
        """
        heatmaps: list[bytes] = []
        with self._admission.admitted(len(images)):
            for image, label in zip(images, labels, strict=True):
                remaining_s = caller.remaining_s()
                if remaining_s is not None and remaining_s <= 0:
                    raise Expired("the deadline passed before all heatmaps were there")
                heatmaps.append(self._explain(model, image, label, caller))
                if sum(map(len, heatmaps)) > self._max_bytes:
                    raise Exhausted(
                        f"the heatmaps of the first {len(heatmaps)} of {len(images)} images take more than "
                        f"{self._max_bytes} bytes: ask for those of fewer or smaller images a call"
                    )
        return heatmaps
