"""Writes the contracts that callers need as one file of descriptors: `python client/collect_protos.py`."""

from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2

from defectory.api.classifier.v1 import classifier_pb2
from defectory.api.inference.v2 import open_inference_pb2
from defectory.api.operations.v1 import operations_pb2

OUT = Path(__file__).parent / "defectory_client" / "protos.binpb"


def collected(files: list[Any]) -> bytes:
    """A FileDescriptorSet of the files and all that they import, each behind those that it needs."""
    protos: dict[str, descriptor_pb2.FileDescriptorProto] = {}

    def add(file: Any) -> None:
        for needed in file.dependencies:
            add(needed)
        if file.name not in protos:
            protos[file.name] = descriptor_pb2.FileDescriptorProto.FromString(file.serialized_pb)

    for file in files:
        add(file)
    return descriptor_pb2.FileDescriptorSet(file=protos.values()).SerializeToString(deterministic=True)


if __name__ == "__main__":
    OUT.write_bytes(collected([m.DESCRIPTOR for m in (classifier_pb2, open_inference_pb2, operations_pb2)]))
