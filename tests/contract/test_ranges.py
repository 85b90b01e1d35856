"""Every number that can be set has a range with two ends, which its page tells and its check keeps."""

import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, get_args

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from pydantic import BaseModel, TypeAdapter, ValidationError

from defectory.api.classifier.v1 import classifier_pb2
from defectory.api.explainer.v1 import explainer_pb2
from defectory.api.filter.v1 import filter_pb2
from defectory.api.generator.v1 import generator_pb2
from defectory.errors import InvalidInput
from defectory.settings import ServiceSettings
from orchestrator.pipeline import settings as pipeline
from services.classifier import settings as classifier_settings
from services.classifier.service_settings import ClassifierSettings
from services.classifier.settings import training_settings
from services.filter.service_settings import FilterSettings
from services.generator.service_settings import GeneratorServiceSettings
from services.generator.training import settings as generator_settings
from services.generator.training.settings import resolve
from tests.contract.proto_comments import RANGE, comments, value_of

TRAININGS: Mapping[str, tuple[Descriptor, Callable[..., object], Mapping[str, Any]]] = {
    "classifier": (
        classifier_pb2.TrainingSettings.DESCRIPTOR,
        lambda values: training_settings(values, dataset_px=64),
        {"initial_weights": "random"},  # of which every width can be had
    ),
    "generator": (
        generator_pb2.TrainingSettings.DESCRIPTOR,
        lambda values: resolve(values, size_px=64, channels=3),
        {},
    ),
}
WITH = {"augment_p": {"augment_mode": "fixed"}}  # settings that go with another one
WHOLE = {FieldDescriptor.CPPTYPE_INT32: 31, FieldDescriptor.CPPTYPE_INT64: 63}
REAL = (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT)


def numbers(message: Descriptor) -> Iterator[FieldDescriptor]:
    return (field for field in message.fields if field.cpp_type in (*WHOLE, *REAL))


def extremes(field: FieldDescriptor) -> list[float]:
    if field.cpp_type in WHOLE:
        edge_values: list[float] = [-(2 ** WHOLE[field.cpp_type]), -1, 2 ** WHOLE[field.cpp_type] - 1]
    else:
        edge_values = [-math.inf, -1e308, -1.0, -5e-324, 5e-324, 1e-300, 1e300, math.inf, math.nan]
    return [*edge_values, 0] if field.has_presence else edge_values


@pytest.mark.parametrize(
    ("training", "field"),
    [(name, field.name) for name, (message, *_) in TRAININGS.items() for field in numbers(message)],
)
def test_a_training_takes_what_its_page_says_and_nothing_else(training: str, field: str) -> None:
    message, check, base = TRAININGS[training]
    said = comments(message)[field]
    ends = RANGE.search(said)
    assert ends, f"{field} has no range: {said}"
    assert ends[2], f"{field} has a range without an upper end: {said}"
    low, high = value_of(ends[2]), value_of(ends[3])
    for value in extremes(message.fields_by_name[field]):
        above = value >= low if ends[1] == "[" else value > low
        below = value <= high if ends[4] == "]" else value < high
        also = value == 0 and "0 (none) or" in said
        try:
            check({**base, **WITH.get(field, {}), field: value})
            named: set[str] = set()
        except InvalidInput as error:
            named = set(error.fields)
        assert (f"settings.{field}" in named) != ((above and below) or also), f"{value}: {said}"
        assert named <= {f"settings.{field}"}


@pytest.mark.parametrize(
    "message",
    [
        message
        for module in (classifier_pb2, explainer_pb2, filter_pb2, generator_pb2)
        for name, message in module.DESCRIPTOR.message_types_by_name.items()
        if name.endswith("Request")
    ],
    ids=lambda message: message.full_name,
)
def test_every_number_of_a_request_has_its_range_on_its_page(message: Descriptor) -> None:
    said = comments(message)
    assert not {field.name: said[field.name] for field in numbers(message) if not RANGE.search(said[field.name])}


def models() -> Iterator[type[BaseModel]]:
    yield from (ServiceSettings, ClassifierSettings, FilterSettings, GeneratorServiceSettings)
    yield from (
        model
        for _, model in inspect.getmembers(pipeline, inspect.isclass)
        if issubclass(model, BaseModel) and model.__module__.startswith("orchestrator.pipeline.")
    )


def parts(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in get_args(annotation):
        yield from parts(part)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e300, -1e300, 10**39, -(10**39)])
@pytest.mark.parametrize(
    ("model", "name"),
    [
        pytest.param(model, name, id=f"{model.__name__}.{name}")
        for model in models()
        for name, field in model.model_fields.items()
        if {int, float} & set(parts(field.annotation))
    ],
)
def test_no_setting_takes_a_number_beyond_all_others(model: type[BaseModel], name: str, value: float) -> None:
    mapped = "Mapping" in str(model.model_fields[name].annotation)
    with pytest.raises(ValidationError) as caught:
        model.model_validate({name: {"good": value} if mapped else value})
    assert name in {error["loc"][0] for error in caught.value.errors()}


@pytest.mark.parametrize(
    ("model", "name", "least", "most"),
    [
        (pipeline.GeneratorSettings, "resolution_px", 8, 1024),
        (generator_settings.TrainingSettings, "snapshot_kimg", 1e-3, 100_000),
        (classifier_settings.TrainingSettings, "input_px", 32, 512),
    ],
)
def test_the_zero_that_leaves_a_setting_open_is_refused_where_it_is_filled_in(
    model: type[BaseModel], name: str, least: float, most: float
) -> None:
    field = model.model_fields[name]
    check: TypeAdapter[float] = TypeAdapter(Annotated[field.annotation, field])
    assert [check.validate_python(end) for end in (least, most)] == [least, most]
    for value in (0, least / 2, most * 2):
        with pytest.raises(ValidationError):
            check.validate_python(value)
