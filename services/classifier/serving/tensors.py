"""Images and answers as tensors of the Open Inference Protocol: checked in, formed out."""

import json
import struct
from collections.abc import Mapping, Sequence

import numpy as np

from defectory.api.inference.v2 import open_inference_pb2 as pb
from defectory.errors import InvalidInput, listed
from services.classifier.serving.decided import Decided

INPUT, PROBABILITIES, LABEL = "image", "probabilities", "label"
OUTPUTS = (PROBABILITIES, LABEL)

# Of the protocol's extensions these ask for another answer, or for values from elsewhere; to leave them unheard would
# be to answer another question.
SHARED_MEMORY = ("shared_memory_region", "shared_memory_offset", "shared_memory_byte_size")
CLASSIFICATION = "classification"
DEEPER = "those of a camera of more than 8 bits go as a PNG or TIFF file, in a tensor of BYTES"
ALLOW_DARK = "allow_dark"  # of a request: its FP32 images may all lie in [0, 1], since they are black


class InputTensor:
    """The one input of a request, checked as far as that goes without the model.

    Attributes:
        count: images in it.
        encoded: whether they are files (BYTES), not arrays (FP32).

    Raises:
        InvalidInput: another name, type, shape or size; more or fewer inputs; parameters that nothing here follows;
            names the field.
    """

    def __init__(self, request: pb.ModelInferRequest) -> None:
        if len(request.inputs) != 1 or request.inputs[0].name != INPUT:
            names = listed(tensor.name for tensor in request.inputs) or "none"
            raise _wrong("inputs", f"inputs are {names}", f"send one, named {INPUT!r}")
        self._tensor = request.inputs[0]
        _refuse_parameters("inputs[0]", self._tensor.parameters, SHARED_MEMORY)
        self._allow_dark = _flag(request.parameters, ALLOW_DARK)
        self._raw = request.raw_input_contents
        self.encoded = self._tensor.datatype == "BYTES"
        shape = list(self._tensor.shape)
        if self._tensor.datatype not in ("FP32", "BYTES"):
            right = "use FP32, or BYTES of encoded images"
            raise _wrong("inputs[0].datatype", f"{INPUT} is {self._tensor.datatype or 'of no type'}", right)
        if self.encoded and not (len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)):
            raise _wrong("inputs[0].shape", f"{INPUT} as BYTES has shape {shape}", "use [images] or [images, 1]")
        if not self.encoded and len(shape) != 4:
            raise _wrong("inputs[0].shape", f"{INPUT} as FP32 has shape {shape}", "use [images, height, width, 3]")
        if any(size < 1 for size in shape):
            raise _wrong("inputs[0].shape", f"{INPUT} has shape {shape}", "use sizes of at least 1")
        self.count = shape[0]
        if len(self._raw) not in (0, 1) or (self._raw and self._tensor.HasField("contents")):
            right = "use one entry an input, and no contents beside it"
            raise _wrong("raw_input_contents", f"it has {len(self._raw)} entries", right)

    def files(self) -> list[bytes]:
        """The encoded images; InvalidInput where the contents do not fit the shape."""
        where = "raw_input_contents[0]" if self._raw else "inputs[0].contents"
        typed = self._tensor.contents.bytes_contents
        elements = _split(self._raw[0], self.count) if self._raw else list(typed) if len(typed) == self.count else None
        if elements is None:
            right = f"send {self.count}, as the shape says"
            raise _wrong(where, "it is cut off, or has fewer or more elements", right)
        return elements

    def pixels(self, size_px: int) -> np.ndarray:
        """float32 (count, size, size, 3) in [0, 255]; InvalidInput where shape, contents or values do not fit."""
        shape = (self.count, size_px, size_px, 3)
        if tuple(self._tensor.shape) != shape:
            right = f"this model takes [images, {size_px}, {size_px}, 3], the channels last"
            raise _wrong("inputs[0].shape", f"{INPUT} has shape {list(self._tensor.shape)}", right)
        size = self.count * size_px * size_px * 3
        if self._raw:
            raw = self._raw[0]  # a copy of it at every access
            if len(raw) != 4 * size:
                raise _wrong("raw_input_contents[0]", f"it has {len(raw)} bytes", f"send {4 * size}")
            values = np.frombuffer(raw, "<f4")
        else:
            values = np.array(self._tensor.contents.fp32_contents, np.float32)
            if values.size != size:
                right = f"send {size}"
                raise _wrong("inputs[0].contents.fp32_contents", f"it has {values.size} values", right)
        where = "raw_input_contents[0]" if self._raw else "inputs[0].contents.fp32_contents"
        highest = values.max()
        if not (values.min() >= 0 and highest <= 255):  # false for NaN too
            raise _wrong(where, "it has values that are not in [0, 255]", f"send finite values in [0, 255]; {DEEPER}")
        if highest <= 1 and not self._allow_dark:
            right = (
                f"values are 0 to 255; if the images are black, say so by the request's parameter {ALLOW_DARK}: true"
            )
            raise _wrong(where, "all its values lie in 0 to 1", right)
        return values.reshape(shape)


def wanted_outputs(request: pb.ModelInferRequest) -> Sequence[str]:
    """Names of the outputs asked for, in order; InvalidInput for one that there is not, or is wanted otherwise."""
    names = [output.name for output in request.outputs]
    for number, name in enumerate(names):
        _refuse_parameters(f"outputs[{number}]", request.outputs[number].parameters, (*SHARED_MEMORY, CLASSIFICATION))
        if name not in OUTPUTS or name in names[:number]:
            raise _wrong(f"outputs[{number}]", f"output {name!r}", f"ask for {' and '.join(OUTPUTS)}, each once")
    return names or OUTPUTS


def write_outputs(
    response: pb.ModelInferResponse, names: Sequence[str], decided: Sequence[Decided], labels: Sequence[str], raw: bool
) -> None:
    """Add the outputs to a response, as raw or typed contents."""
    for name in names:
        if name == PROBABILITIES:
            values = np.array([one.probabilities for one in decided], "<f4")
            tensor = response.outputs.add(name=name, datatype="FP32", shape=values.shape)
            if raw:
                response.raw_output_contents.append(values.tobytes())
            else:
                tensor.contents.fp32_contents.extend(values.ravel().tolist())
        else:
            texts = [labels[one.label].encode() for one in decided]
            tensor = response.outputs.add(name=name, datatype="BYTES", shape=[len(texts)])
            if raw:
                response.raw_output_contents.append(b"".join(struct.pack("<I", len(t)) + t for t in texts))
            else:
                tensor.contents.bytes_contents.extend(texts)


def properties(labels: Sequence[str], size_px: int, threshold: float | None, good: str) -> dict[str, str]:
    """What a model's metadata says besides its tensors."""
    said = {
        "classes": json.dumps(list(labels)),
        "input_px": str(size_px),
        "input_encoded": "BYTES [-1]: PNG, JPEG, BMP or TIFF",
    }
    if threshold is not None:
        said |= {"operating_point_threshold": repr(threshold), "operating_point_good": good}
    return said


def _refuse_parameters(field: str, parameters: Mapping[str, pb.InferParameter], names: Sequence[str]) -> None:
    for name in names:
        if name in parameters:
            right = (
                f"leave it out: {PROBABILITIES} and {LABEL} are what a classification is made of"
                if name == CLASSIFICATION
                else "leave it out and send tensors in the message: shared memory is not supported"
            )
            raise _wrong(f"{field}.parameters[{name}]", "this service does not follow it", right)


def _flag(parameters: Mapping[str, pb.InferParameter], name: str) -> bool:
    """A parameter that is true or false; false where it is not given."""
    if name not in parameters:
        return False
    if parameters[name].WhichOneof("parameter_choice") != "bool_param":
        raise _wrong(f"parameters[{name}]", "it is no bool", "use bool_param")
    return parameters[name].bool_param


def _split(data: bytes, count: int) -> list[bytes] | None:
    """So many elements, each preceded by its length; None where the data ends before them, or goes on behind them."""
    elements, at = [], 0
    for _ in range(count):
        if at + 4 > len(data):
            return None
        (length,) = struct.unpack_from("<I", data, at)
        elements.append(data[at + 4 : at + 4 + length])
        at += 4 + length
    return elements if at == len(data) else None


def _wrong(field: str, said: str, right: str) -> InvalidInput:
    return InvalidInput(f"{field}: {said}; {right}", {field: right})
