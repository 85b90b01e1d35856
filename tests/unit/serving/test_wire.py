"""What a request holds is counted on its bytes: every repeated field has a bound, which stands on its page."""

import re
from collections.abc import Iterator

import pytest
from google.longrunning import operations_pb2
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from defectory.api.bounds.v1 import bounds_pb2
from defectory.api.classifier.v1 import classifier_pb2
from defectory.api.explainer.v1 import explainer_pb2
from defectory.api.filter.v1 import filter_pb2
from defectory.api.generator.v1 import generator_pb2
from defectory.api.inference.v2 import open_inference_pb2
from defectory.errors import InvalidInput, listed
from defectory.serving import wire
from tests.contract.proto_lint import ROOT

PROTOS = (
    classifier_pb2, explainer_pb2, filter_pb2, generator_pb2, open_inference_pb2, operations_pb2, health_pb2,
    reflection_pb2,
)  # fmt: skip


def inside(kind: Descriptor) -> Iterator[Descriptor]:
    """A message's type and those of what it holds; none of ours holds itself."""
    yield kind
    for field in kind.fields:
        if field.message_type is not None:
            yield from inside(field.message_type)


REQUESTS = {
    method.input_type.full_name: method.input_type
    for proto in PROTOS
    for service in proto.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
KINDS = {kind.full_name: kind for request in REQUESTS.values() for kind in inside(request)}
REPEATED = {
    field.full_name: field for kind in KINDS.values() for field in kind.fields if field.is_repeated
}  # of all that a caller may send


def bound_of(field: FieldDescriptor) -> int:
    return field.GetOptions().Extensions[bounds_pb2.max_items]


def tag(field: FieldDescriptor, wire_type: int) -> bytes:
    number, written = field.number << 3 | wire_type, b""
    while number > 127:
        written, number = written + bytes([number & 127 | 128]), number >> 7
    return written + bytes([number])


def items(field: FieldDescriptor, count: int) -> bytes:
    """So many items, each as short as it can be, as a client may write them."""
    if field.type in wire.UNPACKED:
        return (tag(field, wire.LENGTH) + b"\0") * count
    width = wire.WIDTHS.get(field.type, 1)
    return (tag(field, {8: wire.EIGHT_BYTES, 4: wire.FOUR_BYTES, 1: wire.VARINT}[width]) + bytes(width)) * count


def parsed(kind: Descriptor, data: bytes) -> Message:
    message: Message = message_factory.GetMessageClass(kind).FromString(data)
    return message


def test_requests_are_looked_through() -> None:
    assert {"defectory.api.explainer.v1.ExplainImagesRequest.models", "inference.InferTensorContents.bytes_contents",
            "defectory.api.filter.v1.FilterImagesRequest.label_thresholds"} <= set(REPEATED)  # fmt: skip


@pytest.mark.parametrize("name", REPEATED)
def test_a_repeated_field_of_a_request_has_a_bound(name: str) -> None:
    assert bound_of(REPEATED[name]) > 0, f"give {name} (defectory.api.bounds.v1.max_items), and say it in its comment"


def test_bounds_are_said_in_the_comments() -> None:
    said = 0
    for path in (ROOT / "proto").rglob("*.proto"):
        comment: list[str] = []
        for line in path.read_text().splitlines():
            if line.strip().startswith("//"):
                comment.append(line)
                continue
            bound = re.search(r"max_items\) = (\d+)\]", line)
            if bound:
                said += 1
                assert re.search(rf"\b{bound[1]}\b", "\n".join(comment)), f"{path.name}: {line}: its comment, too"
            comment = []
    assert said == len(REPEATED)


@pytest.mark.parametrize("name", [name for name, field in REPEATED.items() if bound_of(field) < wire.MAX_PIECES])
def test_a_field_holds_its_bound_and_no_more(name: str) -> None:
    field = REPEATED[name]
    bound = bound_of(field)
    data = items(field, bound)
    wire.check(data, field.containing_type)
    assert len(getattr(parsed(field.containing_type, data), field.name)) in (bound, 1)  # a map's are all one entry
    with pytest.raises(InvalidInput, match=f"^{field.name}: it has more than {bound} items; send at most {bound}$"):
        wire.check(items(field, bound + 1), field.containing_type)


@pytest.mark.parametrize("field", [f for f in REPEATED.values() if f.type not in wire.UNPACKED], ids=lambda f: f.name)
def test_packed_numbers_are_counted(field: FieldDescriptor) -> None:
    value = 1.0 if field.type in (FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_DOUBLE) else 1
    long = -1 if field.cpp_type in (FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_INT32) else value
    bound = bound_of(field)
    for number in (value, long):  # of one byte each, and of ten
        if bound > 1_000_000:
            continue
        message = message_factory.GetMessageClass(field.containing_type)()
        getattr(message, field.name).extend([number] * bound)
        wire.check(message.SerializeToString(), field.containing_type)
        getattr(message, field.name).append(number)
        with pytest.raises(InvalidInput, match=f"more than {bound} items"):
            wire.check(message.SerializeToString(), field.containing_type)


def test_numbers_that_are_not_packed_have_a_bound_of_pieces() -> None:
    field = open_inference_pb2.InferTensorContents.DESCRIPTOR.fields_by_name["fp32_contents"]
    wire.check(items(field, wire.MAX_PIECES), field.containing_type)
    with pytest.raises(InvalidInput, match="numbers packed"):
        wire.check(items(field, wire.MAX_PIECES + 1), field.containing_type)


def test_the_field_of_a_field_is_named() -> None:
    request = open_inference_pb2.ModelInferRequest(model_name="parts")
    for _ in range(3):
        request.inputs.add(name="image")
    request.inputs[2].contents.bytes_contents.extend([b""] * 257)
    with pytest.raises(InvalidInput) as caught:
        wire.check(request.SerializeToString(), request.DESCRIPTOR)
    assert list(caught.value.fields) == ["inputs[2].contents.bytes_contents"]


@pytest.mark.parametrize("kind", [kind for kind in KINDS.values() if kind.fields], ids=lambda kind: kind.full_name)
def test_what_a_message_does_not_know_is_counted_too(kind: Descriptor) -> None:
    unknown = b"\xfa\x3f\x00"  # field 1023
    wire.check(unknown * wire.MAX_REPEATS, kind)
    with pytest.raises(InvalidInput, match="field 1023: it has more than 64 items"):
        wire.check(unknown * (wire.MAX_REPEATS + 1), kind)


def test_strings_have_a_bound_and_bytes_that_of_the_message() -> None:
    classify = classifier_pb2.ClassifyRequest
    longest = classify(model="x" * wire.MAX_STRING, images=[classifier_pb2.ImageSource(content=bytes(1 << 20))])
    wire.check(longest.SerializeToString(), classify.DESCRIPTOR)
    for request, field in (
        (classify(model="x" * (wire.MAX_STRING + 1)), "model"),
        (classify(images=[classifier_pb2.ImageSource(uri="x" * (wire.MAX_STRING + 1))]), "images[0].uri"),
    ):
        with pytest.raises(InvalidInput) as caught:
            wire.check(request.SerializeToString(), classify.DESCRIPTOR)
        assert list(caught.value.fields) == [field]


def random_messages(kind: Descriptor) -> st.SearchStrategy[Message]:
    """Messages of a type within their bounds, from what may be in their fields."""
    if not kind.fields:
        return st.just(message_factory.GetMessageClass(kind)())
    kinds = FieldDescriptor
    numbers = {
        kinds.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1), kinds.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
        kinds.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1), kinds.CPPTYPE_UINT64: st.integers(0, 2**64 - 1),
        kinds.CPPTYPE_FLOAT: st.floats(width=32), kinds.CPPTYPE_DOUBLE: st.floats(),
        kinds.CPPTYPE_BOOL: st.booleans(), kinds.CPPTYPE_ENUM: st.integers(0, 3),
    }  # fmt: skip

    def values(field: FieldDescriptor) -> st.SearchStrategy[object]:
        if field.message_type is not None:
            return random_messages(field.message_type).map(lambda message: message.SerializeToString())
        if field.type == FieldDescriptor.TYPE_BYTES:
            return st.binary(max_size=300)
        return numbers.get(field.cpp_type, st.text(max_size=300))

    @st.composite
    def draw_message(draw: st.DrawFn) -> Message:
        message = message_factory.GetMessageClass(kind)()
        for field in kind.fields:
            many = min(bound_of(field), 8) if field.is_repeated else 1
            for value in draw(st.lists(values(field), max_size=many)):
                part = message_factory.GetMessageClass(kind)()
                if field.message_type is not None:
                    length = len(value)  # type: ignore[arg-type]
                    size = bytes([length & 127 | 128, length >> 7 & 127 | 128, length >> 14])
                    part.MergeFromString(tag(field, wire.LENGTH) + size + value)  # type: ignore[operator]
                elif field.is_repeated:
                    getattr(part, field.name).append(value)
                else:
                    setattr(part, field.name, value)
                message.MergeFrom(part)
        return message

    return draw_message()


@pytest.mark.parametrize("name", REQUESTS)
@settings(max_examples=6, deadline=None)
@given(data=st.data())
def test_what_is_within_its_bounds_passes_and_what_is_cut_off_does_not_pass_and_parse(
    name: str, data: st.DataObject
) -> None:
    kind = REQUESTS[name]
    sent = data.draw(random_messages(kind)).SerializeToString()
    wire.check(sent, kind)
    cut = sent[: data.draw(st.integers(0, len(sent)))]
    try:
        wire.check(cut, kind)
    except InvalidInput:
        with pytest.raises(DecodeError):
            parsed(kind, cut)


def test_many_empty_names_are_no_run_of_commas() -> None:
    assert listed([""] * 1_000_000) == "''"
    assert listed(["", "a", " ", "a"]) == "'', a, ' '"
    assert listed(map(str, range(10)), 3) == "0, 1, 2 and 7 more"
    assert listed([]) == ""
