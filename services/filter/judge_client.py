"""Asks the classifier for the scores of a manifest."""

import hashlib
from collections.abc import Callable

import grpc

from defectory.api.classifier.v1 import classifier_pb2 as pb
from defectory.api.classifier.v1 import classifier_pb2_grpc
from defectory.serving.channel import from_environment
from defectory.serving.operations.client import wait_for
from defectory.serving.status import error_from_rpc
from defectory.storage.store import ObjectStore
from services.filter.scores import Scores, read_scores


def score_manifest(
    store: ObjectStore, address: str, model: str, manifest_uri: str, report: Callable[[str, int, int], None]
) -> Scores:
    """Scores of every readable image. The same model version and manifest are scored once, whoever asks.

    Args:
        model: "name/version".

    Raises:
        Unavailable: the classifier does not answer. NotFound, …: as it says.
    """
    with from_environment(address) as channel:
        stub = classifier_pb2_grpc.ClassifierServiceStub(channel)
        try:
            judge = stub.GetClassifier(pb.GetClassifierRequest(model=model), timeout=60).classifier
            # All that the request says, and what lies behind it: what is asked for under one id must be one thing.
            # Scores that an earlier version left in the store were not calibrated.
            key = store.key(manifest_uri)  # the same wherever the store lies
            said = "\0".join([model, judge.weights_sha256, key, "calibrated"]).encode()
            digest = hashlib.sha256(said + b"\0")
            for piece in store.stream(key):
                digest.update(piece)
            identity = digest.hexdigest()[:40]
            request = pb.ScoreImagesRequest(
                request_id=identity,
                model=model,
                manifest_uri=manifest_uri,
                output_prefix=f"scores/{model}/{identity}",
            )
            operation = stub.ScoreImages(request, timeout=60)
        except grpc.RpcError as error:
            raise error_from_rpc(error) from error
        response = wait_for(channel, operation, lambda p: report(f"judge: {p.stage}", p.done, p.total))
    assert isinstance(response, pb.ScoreImagesResponse)
    return read_scores(store, response.scores_uri, response.embeddings_uri)
