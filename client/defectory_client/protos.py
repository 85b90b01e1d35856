"""The services' contracts, in a pool of descriptors of their own.

Generated modules would add their files to the one pool of the process, where the `defectory` package has files of the
same names: two versions of them in one process end its start.
"""

from functools import cache
from importlib.resources import files
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory


@cache
def pool() -> descriptor_pool.DescriptorPool:
    """Every file of the contracts and what they import, each behind those that it needs."""
    descriptors = descriptor_pool.DescriptorPool()
    content = files("defectory_client").joinpath("protos.binpb").read_bytes()
    for file in descriptor_pb2.FileDescriptorSet.FromString(content).file:
        descriptors.AddSerializedFile(file.SerializeToString())
    return descriptors


def message(name: str) -> Any:
    """The class of a message by its full name; KeyError where there is none."""
    return message_factory.GetMessageClass(pool().FindMessageTypeByName(name))


class Stub:
    """A service's methods, each called with a message or its fields' values.

    Args:
        channel: of grpc. service: its full name.
    """

    def __init__(self, channel: Any, service: str) -> None:
        for method in pool().FindServiceByName(service).methods:
            if method.client_streaming or method.server_streaming:
                continue
            call = channel.unary_unary(
                f"/{service}/{method.name}",
                request_serializer=lambda request: request.SerializeToString(),
                response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
            )
            setattr(self, method.name, call)
