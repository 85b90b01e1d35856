"""A setting's field and the message's field are one: name, type, range, choices, default, there and back."""

import re
from collections.abc import Mapping
from typing import Any, get_args, get_origin

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass

from defectory.api.classifier.v1 import classifier_pb2
from defectory.api.explainer.v1 import explainer_pb2
from defectory.api.filter.v1 import filter_pb2
from defectory.api.generator.v1 import generator_pb2
from defectory.errors import InvalidInput
from defectory.job_settings.base import JobSettings
from defectory.job_settings.classifier_training import ClassifierTraining, FoldedCycles
from defectory.job_settings.explaining import Explaining, ExplainingMany
from defectory.job_settings.filtering import Filtering
from defectory.job_settings.generator_training import AugmentPreset, GeneratorTraining
from defectory.job_settings.memory import Memories
from defectory.job_settings.messages import fill, read
from defectory.job_settings.rendering import NoisyRendering, PreviewRendering, Rendering, Truncation
from services.generator.stylegan2.augment import PRESETS
from tests.contract.proto_comments import PROTO, RANGE, comments, value_of

ASKED = {"request_id", "model", "seeds", "class_label", "class_labels"}  # what is to be done; the rest is how
PAIRS: list[tuple[Descriptor, type[JobSettings], set[str]]] = [
    (generator_pb2.TrainingSettings.DESCRIPTOR, GeneratorTraining, set()),
    (classifier_pb2.TrainingSettings.DESCRIPTOR, ClassifierTraining, set()),
    (
        classifier_pb2.TrainClassifierRequest.DESCRIPTOR,
        FoldedCycles,
        {"request_id", "manifest_uri", "name", "settings", "seed"},
    ),
    (
        classifier_pb2.ScoreAnomaliesRequest.DESCRIPTOR,
        Memories,
        {"request_id", "manifest_uri", "splits", "output_prefix", "settings", "seed"},
    ),
    (
        generator_pb2.SynthesizeRequest.DESCRIPTOR,
        NoisyRendering,
        {*ASKED, "count", "first_seed", "dataset", "restore_size"},
    ),
    (generator_pb2.PreviewRequest.DESCRIPTOR, PreviewRendering, ASKED),
    (generator_pb2.InterpolateRequest.DESCRIPTOR, Rendering, {*ASKED, "frames", "space", "loop", "format", "fps"}),
    (generator_pb2.MixStylesRequest.DESCRIPTOR, Rendering, {*ASKED, "rows", "columns", "styles"}),
    (generator_pb2.EvaluateGeneratorRequest.DESCRIPTOR, Truncation, {*ASKED, "manifest_uri", "count", "fid"}),
    (
        filter_pb2.FilterImagesRequest.DESCRIPTOR,
        Filtering,
        {*ASKED, "manifest_uri", "real_manifest_uri", "judge_model", "dataset", "accepted_manifest_uris"},
    ),
    (explainer_pb2.ExplainRequest.DESCRIPTOR, Explaining, {*ASKED, "image", "label"}),
    (
        explainer_pb2.ExplainImagesRequest.DESCRIPTOR,
        ExplainingMany,
        {*ASKED, "models", "manifest_uri", "split", "output_prefix"},
    ),
]
FIELDS = [
    pytest.param(message, model, name, id=f"{message.name}.{name}")
    for message, model, _ in PAIRS
    for name in model.model_fields
]
TYPES: Mapping[int, type] = {
    FieldDescriptor.CPPTYPE_INT32: int,
    FieldDescriptor.CPPTYPE_INT64: int,
    FieldDescriptor.CPPTYPE_DOUBLE: float,
    FieldDescriptor.CPPTYPE_BOOL: bool,
    FieldDescriptor.CPPTYPE_STRING: str,
}


def kinds(model: type[JobSettings], name: str) -> list[dict[str, Any]]:
    """What a field's value can be, as JSON Schema has it; null left out."""
    entry = model.model_json_schema()["properties"][name]
    return [kind for kind in entry.get("anyOf", [entry]) if kind.get("type") != "null"]


def choices(model: type[JobSettings], name: str) -> list[str]:
    return [word for kind in kinds(model, name) for word in kind.get("enum", [])]


@pytest.mark.parametrize(("message", "model", "asked"), PAIRS, ids=lambda part: getattr(part, "name", ""))
def test_a_message_has_the_settings_and_no_others(
    message: Descriptor, model: type[JobSettings], asked: set[str]
) -> None:
    assert set(message.fields_by_name) - asked == set(model.model_fields)


@pytest.mark.parametrize(("message", "model", "name"), FIELDS)
def test_a_field_has_the_settings_type(message: Descriptor, model: type[JobSettings], name: str) -> None:
    field, annotation = message.fields_by_name[name], model.model_fields[name].annotation
    kind = next((part for part in get_args(annotation) if part is not type(None)), annotation)
    if field.enum_type:
        prefix = field.enum_type.values_by_number[0].name.removesuffix("UNSPECIFIED")
        names = [value.name for value in field.enum_type.values][1:]
        assert [f"{prefix}{choice.upper()}" for choice in choices(model, name)] == names
    elif field.message_type:
        assert get_origin(annotation) is Mapping
        assert field.message_type.fields_by_name["value"].cpp_type == FieldDescriptor.CPPTYPE_DOUBLE
    else:
        assert TYPES[field.cpp_type] is (str if choices(model, name) else kind)


@pytest.mark.parametrize(("message", "model", "name"), FIELDS)
def test_a_field_says_the_settings_range_and_choices(message: Descriptor, model: type[JobSettings], name: str) -> None:
    said = comments(message)[name]
    if words := choices(model, name):
        if not message.fields_by_name[name].enum_type:
            assert set(re.findall(r'"([\w+-]+)"', said)) == set(words)
        return
    (kind,) = [kind for kind in kinds(model, name) if "const" not in kind]
    if kind["type"] not in ("integer", "number"):
        return
    ends = RANGE.search(said)
    assert ends, said
    assert value_of(ends[2]) == kind.get("minimum", kind.get("exclusiveMinimum"))
    if ends[3]:  # else it is another field's value
        assert value_of(ends[3]) == kind.get("maximum", kind.get("exclusiveMaximum"))
        assert (ends[4] == ")") == ("exclusiveMaximum" in kind)


@pytest.mark.parametrize(("message", "model", "name"), FIELDS)
def test_a_field_says_the_settings_default(message: Descriptor, model: type[JobSettings], name: str) -> None:
    field, default = message.fields_by_name[name], model.model_fields[name].default
    if default in (None, "", 0, {}):
        return
    if field.enum_type:
        page = (PROTO / field.enum_type.file.name).read_text()
        assert f"The default: {field.enum_type.values_by_number[1].name}." in page
        assert field.enum_type.values_by_number[1].name.endswith(f"_{default.upper()}")
        return
    stated = re.search(r'(?:default|absent:|\b0:) "?([\w+-]+(?:\.\d+)?)', comments(message)[name])
    assert stated, comments(message)[name]
    assert stated[1] == (str(default).lower() if isinstance(default, bool | str) else f"{default:g}")


@pytest.mark.parametrize(("message", "model", "name"), FIELDS)
def test_a_zero_that_a_message_cannot_tell_from_nothing_means_the_default(
    message: Descriptor, model: type[JobSettings], name: str
) -> None:
    field = message.fields_by_name[name]
    if field.has_presence or field.message_type or field.enum_type:
        return
    zero = TYPES[field.cpp_type]()
    default = model.model_fields[name].default
    try:
        model.model_validate({name: zero})
    except ValueError:
        return  # it is out of range, so nobody can mean it
    assert zero == default


def another(model: type[JobSettings], name: str) -> Any:
    """A value that is not the default."""
    default = model.model_fields[name].default
    if words := [word for word in choices(model, name) if word != default]:
        return words[-1]
    kind = next(kind for kind in kinds(model, name) if "const" not in kind)
    if kind["type"] == "object":
        return {"crack": 0.25}
    if kind["type"] == "boolean":
        return not default
    if kind["type"] == "string":
        return "recall=0.9"
    low, high = (kind.get(f"{end}imum", kind.get(f"exclusive{end.title()}imum")) for end in ("min", "max"))
    return high if "maximum" in kind else (low + high) / 2


@pytest.mark.parametrize(("message", "model", "asked"), PAIRS, ids=lambda part: getattr(part, "name", ""))
def test_settings_come_out_of_a_message_as_they_went_in(
    message: Descriptor, model: type[JobSettings], asked: set[str]
) -> None:
    other = model.model_validate({name: another(model, name) for name in model.model_fields})
    assert all(getattr(other, name) != field.default for name, field in model.model_fields.items())
    assert read(model, fill(GetMessageClass(message)(), other)) == other
    assert read(model, GetMessageClass(message)()) == model()
    assert read(model, fill(GetMessageClass(message)(), model())) == model()


def test_a_choice_that_an_enum_has_no_name_for_is_refused() -> None:
    with pytest.raises(InvalidInput, match="POLICY_BAND") as refused:
        read(Filtering, filter_pb2.FilterImagesRequest(policy=9))  # type: ignore[arg-type]
    assert set(refused.value.fields) == {"policy"}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"truncation_psi": float("nan")}, "truncation_psi"),
        ({"truncation_psi": 2.1}, "truncation_psi"),
        ({"truncation_cutoff": -1}, "truncation_cutoff"),
        ({"noise_mode": "loud"}, "noise_mode"),
        ({"precision": "fp8"}, "precision"),
        ({"half_resolutions": 9}, "half_resolutions"),
    ],
)
def test_a_value_out_of_range_is_refused_by_its_name(given: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(NoisyRendering, generator_pb2.SynthesizeRequest(**given))
    assert set(refused.value.fields) == {field}


def test_the_augmentations_that_can_be_chosen_are_those_there_are() -> None:
    assert get_args(AugmentPreset) == tuple(PRESETS)
