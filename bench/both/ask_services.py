"""Small operations on a finished run, through real services: `python bench/both/ask_services.py STORE RUN REPEATS`.

Prints a JSON object: operation -> seconds from the call to the answer, of the first (which starts the service's worker)
and of every later one. Each is asked for anew, under an id of its own, on datasets that are written for it.
"""

import json
import logging
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from google.protobuf.message import Message

from defectory.api.classifier.v1 import classifier_pb2, classifier_pb2_grpc
from defectory.api.explainer.v1 import explainer_pb2, explainer_pb2_grpc
from defectory.api.filter.v1 import filter_pb2, filter_pb2_grpc
from defectory.datasets.manifest import manifest_key, read_manifest, write_dataset
from defectory.serving.channel import from_environment
from defectory.serving.operations.client import wait_for
from defectory.storage import open_store
from orchestrator.pipeline.embedded import EmbeddedServices

EVALUATED, EXPLAINED, FILTERED = 17, 8, 50  # pictures


def main(url: str, run: str, repeats: int) -> None:
    """Ask, and print the seconds."""
    logging.disable(logging.WARNING)
    store, token = open_store(url), uuid.uuid4().hex[:8]
    real = store.uri(manifest_key(run))

    def part(source: str, name: str, split: str, count: int) -> str:
        """The URI of a dataset of some images of another one."""
        lines = [line for line in read_manifest(store, source) if not split or line.split == split]
        chosen = lines[:: max(1, len(lines) // count)][:count]
        return write_dataset(store, f"{run}.{name}-{token}", chosen, {"name": name})

    tested = part(real, "tested", "test", EVALUATED)
    rounds = sorted(key for key in (info.key for info in store.list(f"datasets/{run}.good.r1.")) if "judged" not in key)
    synthetic = next(store.uri(key) for key in rounds if key.endswith("manifest.jsonl"))
    with tempfile.TemporaryDirectory() as logs, EmbeddedServices(url, Path(logs)) as services:
        asked: dict[str, tuple[str, Callable[[object], Callable[..., object]], Callable[[int], Message]]] = {
            f"evaluate {EVALUATED} pictures": (
                "classifier",
                lambda channel: classifier_pb2_grpc.ClassifierServiceStub(channel).EvaluateClassifier,
                lambda number: classifier_pb2.EvaluateClassifierRequest(
                    request_id=f"evaluate-{token}-{number}", model=f"{run}.baseline/1", manifest_uri=tested,
                    split="test",
                ),
            ),
            f"explain {EXPLAINED} pictures": (
                "explainer",
                lambda channel: explainer_pb2_grpc.ExplainerServiceStub(channel).ExplainImages,
                lambda number: explainer_pb2.ExplainImagesRequest(
                    request_id=f"explain-{token}-{number}", models=[f"{run}.baseline/1"], manifest_uri=tested,
                    split="test", limit=EXPLAINED, output_prefix=f"explanations/{token}/{number}",
                ),
            ),
            f"filter {FILTERED} images": (
                "filter",
                lambda channel: filter_pb2_grpc.FilterServiceStub(channel).FilterImages,
                lambda number: filter_pb2.FilterImagesRequest(
                    request_id=f"filter-{token}-{number}", real_manifest_uri=real, judge_model=f"{run}.judge/1",
                    manifest_uri=part(synthetic, f"made-{number}", "", FILTERED - number),  # anew: scores are kept
                    policy=filter_pb2.POLICY_CONFIDENT, dataset=f"{run}.judged-{token}-{number}",
                ),
            ),
        }  # fmt: skip
        seconds: dict[str, Sequence[float]] = {}
        for name, (service, method, request) in asked.items():
            with from_environment(services.address(service)) as channel:
                seconds[name] = [_ask(channel, method(channel), request(number)) for number in range(repeats + 1)]
    sys.stdout.write("\n" + json.dumps(seconds) + "\n")


def _ask(channel: object, method: Callable[..., object], request: Message) -> float:
    start = time.perf_counter()
    wait_for(channel, method(request, timeout=300))  # type: ignore[arg-type]
    return time.perf_counter() - start


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
