"""Bodies of the Open Inference Protocol's REST form as messages of its gRPC form, and back.

The protocol: JSON of the messages' own field names, with tensors as (nested) lists; and the extension for binary
tensors that Triton's and KServe's clients use: the JSON's length stands in a header, the tensors' bytes behind it.
"""

import base64
import binascii
import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from defectory.api.inference.v2 import open_inference_pb2 as pb
from defectory.errors import InvalidInput

NUMBERS = {"FP32": "<f4", "INT64": "<i8", "BOOL": "?"}  # those that a model of ours takes or gives, and for messages
SIZE = "binary_data_size"


def infer_request(
    body: bytes, json_bytes: int | None, model: str, version: str
) -> tuple[pb.ModelInferRequest, set[str]]:
    """(the request, names of the outputs that are wanted as bytes; "*": all of them).

    Args:
        body: JSON, with the bytes of tensors behind it.
        json_bytes: length of the JSON; None: all of the body.

    Raises:
        InvalidInput: no JSON, or not that of a request; says where.
    """
    end = len(body) if json_bytes is None else json_bytes
    if not 0 <= end <= len(body):
        right = "send as many bytes of JSON as it says"
        raise InvalidInput(f"Inference-Header-Content-Length {end} of a body of {len(body)}: {right}", {"body": right})
    try:
        header = json.loads(body[:end])
        request = pb.ModelInferRequest(model_name=model, model_version=version, id=str(header.get("id", "")))
        rest = memoryview(body)[end:]
        for number, tensor in enumerate(header["inputs"]):
            parameters = dict(tensor.get("parameters") or {})
            size = parameters.pop(SIZE, None)
            if size is None:
                content = _as_bytes(tensor, f"inputs[{number}].data")
            else:
                content, rest = bytes(rest[: int(size)]), rest[int(size) :]
            request.inputs.add(
                name=tensor["name"], datatype=tensor["datatype"], shape=tensor["shape"], parameters=_values(parameters)
            )
            request.raw_input_contents.append(content)
        as_bytes = {"*"} if (header.get("parameters") or {}).get("binary_data_output") else set()
        for output in header.get("outputs") or ():
            parameters = dict(output.get("parameters") or {})
            if parameters.pop("binary_data", False):
                as_bytes.add(output["name"])
            request.outputs.add(name=output["name"], parameters=_values(parameters))
        whole = {k: v for k, v in (header.get("parameters") or {}).items() if k != "binary_data_output"}
        for name, value in _values(whole).items():
            request.parameters[name].CopyFrom(value)
    except InvalidInput:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        right = 'send {"inputs": [{"name", "datatype", "shape", "data"}]}'
        raise InvalidInput(f"the body is no request ({type(error).__name__}): {right}", {"body": right}) from error
    return request, as_bytes


def infer_response(response: pb.ModelInferResponse, as_bytes: set[str]) -> tuple[bytes, int | None]:
    """(the body, the JSON's length where bytes are behind it)."""
    outputs, contents = [], []
    for output, content in zip(response.outputs, response.raw_output_contents, strict=True):
        one: dict[str, Any] = {"name": output.name, "datatype": output.datatype, "shape": list(output.shape)}
        if as_bytes & {"*", output.name}:
            one["parameters"] = {SIZE: len(content)}
            contents.append(content)
        else:
            one["data"] = _as_list(output.datatype, content)
        outputs.append(one)
    said: dict[str, Any] = {"model_name": response.model_name, "model_version": response.model_version}
    if response.id:
        said["id"] = response.id
    text = json.dumps({**said, "outputs": outputs}).encode()
    return text + b"".join(contents), len(text) if contents else None


def _as_bytes(tensor: Mapping[str, Any], field: str) -> bytes:
    """A tensor's list as the bytes that gRPC's form has: little-endian numbers, or strings behind their lengths."""
    kind, data = tensor["datatype"], tensor["data"]
    if kind == "BYTES":
        strings = [_decoded(text, field) for text in np.asarray(data, dtype=object).ravel()]
        return b"".join(struct.pack("<I", len(one)) + one for one in strings)
    if kind not in NUMBERS:
        right = f"use BYTES, {', '.join(NUMBERS)}"
        raise InvalidInput(f"{field}: datatype {kind!r}; {right}", {field: right})
    return np.asarray(data, dtype=NUMBERS[kind]).tobytes()


def _decoded(text: object, field: str) -> bytes:
    try:
        return base64.b64decode(str(text), validate=True)
    except (binascii.Error, ValueError) as error:
        right = "send a file's bytes in base 64, or behind the JSON as a binary tensor"
        raise InvalidInput(f"{field}: {right}", {field: right}) from error


def _as_list(kind: str, content: bytes) -> list[Any]:
    if kind != "BYTES":
        numbers: list[Any] = np.frombuffer(content, NUMBERS[kind]).tolist()
        return numbers
    strings, at = [], 0
    while at < len(content):
        (length,) = struct.unpack_from("<I", content, at)
        strings.append(content[at + 4 : at + 4 + length].decode())
        at += 4 + length
    return strings


def _values(parameters: Mapping[str, Any]) -> dict[str, pb.InferParameter]:
    """Parameters as messages; a value that is none of the three kinds is a TypeError."""
    return {name: _value(value) for name, value in parameters.items()}


def _value(value: object) -> pb.InferParameter:
    match value:
        case bool():
            return pb.InferParameter(bool_param=value)
        case int():
            return pb.InferParameter(int64_param=value)
        case str():
            return pb.InferParameter(string_param=value)
    raise TypeError("a parameter is true, false, a whole number or a string")
