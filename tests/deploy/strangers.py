"""Who may not ask a service of the stack, and who may: `python -m tests.deploy.strangers ADDRESS CERTIFICATES`.

DEFECTORY_TOKEN is the token of the system's own parts. Ends with a sentence where somebody gets another answer than he
should.
"""

import os
import sys
from pathlib import Path

import grpc

from defectory.api.classifier.v1 import classifier_pb2, classifier_pb2_grpc
from defectory.serving.channel import open_channel

ANSWERED = "OK"


def answers(address: str, certificates: Path) -> dict[str, tuple[str, str]]:
    """Who asks -> (the code that he should get, the code that he gets)."""
    ca, client, key = (str(certificates / name) for name in ("ca.pem", "client.pem", "client.key"))
    token = os.environ["DEFECTORY_TOKEN"]
    channels = {
        "without TLS": ("UNAVAILABLE", open_channel(address, token=token)),
        "without a certificate": ("UNAVAILABLE", open_channel(address, token=token, tls_ca=ca)),
        "with a wrong token": (
            "UNAUTHENTICATED", open_channel(address, token="wrong", tls_ca=ca, tls_cert=client, tls_key=key),
        ),
        "as a part of the system": (
            ANSWERED, open_channel(address, token=token, tls_ca=ca, tls_cert=client, tls_key=key),
        ),
    }  # fmt: skip
    return {who: (expected, _answer(channel)) for who, (expected, channel) in channels.items()}


def _answer(channel: grpc.Channel) -> str:
    with channel:
        stub = classifier_pb2_grpc.ClassifierServiceStub(channel)
        try:
            stub.ListClassifiers(classifier_pb2.ListClassifiersRequest(), timeout=20)
        except grpc.RpcError as error:
            return str(error.code().name)
    return ANSWERED


def main(address: str, certificates: str) -> int:
    """Ask, and say who got what."""
    of = answers(address, Path(certificates))
    for who, (expected, answer) in of.items():
        sys.stdout.write(f"{who}: {answer}{'' if answer == expected else f', and should get {expected}'}\n")
    return int(any(expected != answer for expected, answer in of.values()))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
