"""A command's options from the fields of its settings: name, type, range, default, choices and help are the field's.

A command takes the settings themselves:

    @app.command()
    @with_settings({"augment_mode": "augment"})
    def train(dataset: ..., training: GeneratorTraining, store: Store = "") -> None:

and the parameter is replaced by an option for each of the model's fields. What is not given is not set.
"""

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, cast, get_args, get_origin

import typer
from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError
from typer.models import OptionInfo

from defectory.errors import InvalidInput
from defectory.job_settings.base import JobSettings
from defectory.validation import validated
from defectory.wording import why_of
from orchestrator.cli.described import Described, described

NO_NAMES: Mapping[str, str] = MappingProxyType({})
METAVARS = {int: "<int>", float: "<float>", str: "<str>"}
METAVARS_BY_ENDING = {"_px": "PX", "_label": "LABEL"}
NONE = type(None)


@dataclass(frozen=True)
class SettingOption:
    """A field as a parameter of a command.

    Attributes:
        parameter: as the command's signature has it.
        read: makes of the option's value what the field reads.
    """

    parameter: inspect.Parameter
    read: Callable[[Any], Any]


def with_settings(names: Mapping[str, str] = NO_NAMES) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Replaces each parameter of a command that is a JobSettings by options for its fields.

    Args:
        names: field -> option, where it is not called as the field is.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        parameters: list[inspect.Parameter] = []
        options: dict[str, tuple[type[JobSettings], dict[str, SettingOption]]] = {}
        for name, parameter in inspect.signature(command).parameters.items():
            model = parameter.annotation
            if not (isinstance(model, type) and issubclass(model, JobSettings)):
                parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
                continue
            options[name] = model, options_of(model, names)
            parameters += [option.parameter for option in options[name][1].values()]

        @functools.wraps(command)
        def with_options(**given: Any) -> None:
            for name, (model, by_field) in options.items():
                values = {field: (given.pop(option.parameter.name), option) for field, option in by_field.items()}
                said = {field: option.read(value) for field, (value, option) in values.items() if value is not None}
                given[name] = validated(model, said)
            command(**given)

        with_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        with_options.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return with_options

    return decorate


def options_of(model: type[JobSettings], names: Mapping[str, str] = NO_NAMES) -> dict[str, SettingOption]:
    """The option of every field of a model, by the field's name."""
    return {
        name: _option(name, option_name(name, names), model.model_fields[name], setting, _help(setting, model, names))
        for name, setting in described(model).items()
    }


def option_name(field: str, names: Mapping[str, str] = NO_NAMES) -> str:
    """ "--half-resolutions" of "half_resolutions"."""
    return f"--{names.get(field, field).replace('_', '-')}"


def _option(name: str, option: str, field: FieldInfo, setting: Described, shown: str) -> SettingOption:
    """One field's option; None where it is not given, so that a default stays the field's own business."""
    kinds: list[Any] = list(get_args(field.annotation) if setting.optional else [field.annotation])
    kinds = [kind for kind in kinds if kind is not NONE]
    read, annotation = _as_it_is, cast(Any, str)
    if kinds == [bool]:
        declared = option if field.default is False else f"{option}/--no-{option[2:]}"
        annotation, info = bool, typer.Option(declared, help=shown, show_default=False)
    elif get_origin(kinds[0]) is Mapping:
        annotation, read = list[str], functools.partial(_pairs, option)
        info = typer.Option(option, help=shown, metavar="LABEL=VALUE", show_default=False)
    elif get_origin(kinds[0]) is tuple:  # the option is repeated
        annotation = list[str]
        info = typer.Option(option, help=shown, metavar="<str>", show_default=False)
    else:
        metavar = f"[{'|'.join(setting.choices)}]" if setting.choices else METAVARS.get(kinds[0], "<str>")
        metavar = next((unit for end, unit in METAVARS_BY_ENDING.items() if name.endswith(end)), metavar)
        info = typer.Option(option, help=shown, metavar=metavar, parser=_parser(field), show_default=False)
    parameter = inspect.Parameter(
        option[2:].replace("-", "_"),
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[annotation | None, info],
    )
    return SettingOption(parameter, read)


def choice(option: str, kind: object, sentence: str) -> OptionInfo:
    """An option whose values are those of a Literal; another one names the like one."""
    metavar = f"[{'|'.join(get_args(kind))}]"
    parser = _parser(FieldInfo(annotation=cast(type, kind)))
    return cast(OptionInfo, typer.Option(option, help=sentence, metavar=metavar, parser=parser))


def _parser(field: FieldInfo) -> Callable[[str], Any]:
    """Reads an option's text as the field does, so that a value out of range is refused with the option's name."""

    def parse(text: str) -> Any:
        adapter: TypeAdapter[Any] = TypeAdapter(cast(Any, Annotated[field.annotation, field]))
        try:
            return adapter.validate_python(text)
        except ValidationError as error:
            raise PydanticCustomError("setting", "{why}", {"why": why_of(error.errors()[0], field)}) from error

    return parse


def _as_it_is(value: Any) -> Any:
    return value


def _pairs(option: str, items: list[str]) -> dict[str, str]:
    """ "LABEL=VALUE" of a repeated option as a mapping, whose values the settings read."""
    for item in items:
        if "=" not in item:
            raise InvalidInput(f"{option} {item}: use LABEL=VALUE", {option: "use LABEL=VALUE"})
    return dict(item.rpartition("=")[::2] for item in items)


def _help(setting: Described, model: type[JobSettings], names: Mapping[str, str]) -> str:
    """The sentence, in which other settings are called as their options are, then default and range in brackets.

    A flag that is off needs no default.
    """
    fields = {name for name in model.model_fields if "_" in name}
    sentence = re.sub(
        r"\w+", lambda word: option_name(word[0], names) if word[0] in fields else word[0], setting.sentence
    )
    default = f"default: {setting.default}" if setting.default and setting.default != "false" else ""
    extra = "; ".join(filter(None, [default, setting.range]))
    stop = "" if sentence.endswith("…") else "."
    return f"{sentence[:1].upper()}{sentence[1:]}{stop}" + (f"  [{extra}]" if extra else "")
