"""Modules of a parsed network: a file that can be read may hold anything anywhere, so each value is looked at first."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from defectory.errors import InvalidInput
from services.generator.importing.pickles import Record

MAX_MODULES = 2000  # of a network, which has about 200 at 1024 px; a module may contain itself


@dataclass(frozen=True)
class Module:
    """A module and its path from the file's root on, which every refusal names.

    All methods raise InvalidInput where the file holds something else than they return.
    """

    record: Record
    path: str

    def child(self, name: str) -> "Module":
        """The module of a name inside."""
        record = self.mapping("_modules").get(name)
        if not isinstance(record, Record):
            raise unfit(f"{self.path} has no module {name!r}")
        return Module(record, f"{self.path}.{name}")

    def children(self, pattern: str) -> list["Module"]:
        """All modules inside whose whole names fit a regular expression, of which there must be one at least."""
        names = [name for name in self.mapping("_modules") if re.fullmatch(pattern, name)]
        if not names:
            raise unfit(f"{self.path} has no modules {pattern!r}")
        return [self.child(name) for name in names]

    def mapping(self, attribute: str) -> Mapping[str, Any]:
        """An attribute that holds values by name; empty where it is absent."""
        return named(self.record.get(attribute, {}), f"{self.path}.{attribute}")

    def number(self, attribute: str) -> int | float:
        """An attribute that is a number."""
        value = self.optional_number(attribute)
        if value is None:
            raise unfit(f"{self.path}.{attribute} is {shown(self.record.get(attribute))}, not a number")
        return value

    def text(self, attribute: str) -> str:
        """An attribute that is a string."""
        value = self.record.get(attribute)
        if not isinstance(value, str):
            raise unfit(f"{self.path}.{attribute} is {shown(value)}, not a name")
        return value

    def optional_number(self, attribute: str) -> int | float | None:
        """An attribute that is there and a finite number or None."""
        if attribute not in self.record:
            raise unfit(f"{self.path} has no {attribute}")
        value = self.record[attribute]
        whole = isinstance(value, int) and not isinstance(value, bool)
        if value is None or whole or (isinstance(value, float) and math.isfinite(value)):
            number: int | float | None = value
            return number
        raise unfit(f"{self.path}.{attribute} is {shown(value)}, not a number")

    def tensors(self) -> dict[str, Tensor]:
        """All parameters and buffers by their dotted names inside this module, in fp32."""
        tensors = {}
        for prefix, module in self._all():
            for name, value in {**module.mapping("_parameters"), **module.mapping("_buffers")}.items():
                if isinstance(value, Tensor):
                    if not value.is_floating_point():
                        raise unfit(f"{module.path}.{name} holds {value.dtype}, not floating-point numbers")
                    tensors[prefix + name] = value.float()
        return tensors

    def _all(self) -> Iterator[tuple[str, "Module"]]:
        """This module and all inside, with the beginning of their tensors' names."""
        waiting, count = [("", self)], 0
        while waiting:
            prefix, module = waiting.pop()
            count += 1
            if count > MAX_MODULES:
                raise unfit(f"{self.path} has more than {MAX_MODULES} modules")
            yield prefix, module
            for name, child in module.mapping("_modules").items():
                if isinstance(child, Record):
                    waiting.append((f"{prefix}{name}.", Module(child, f"{module.path}.{name}")))


def named(value: Any, path: str) -> Mapping[str, Any]:
    """A value that is a mapping whose keys are strings.

    Raises:
        InvalidInput: it is not.
    """
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise unfit(f"{path} is {shown(value)}, not values by name")
    return value


def shown(value: Any) -> str:
    """A value for a message: itself where it is short, else its type."""
    return repr(value)[:50] if value is None or isinstance(value, str | int | float) else f"a {type(value).__name__}"


def unfit(why: str) -> InvalidInput:
    """The refusal of a network that was read and cannot be one of ours."""
    right = "a StyleGAN2 network with skip generator and residual or plain discriminator"
    return InvalidInput(f"the network cannot be imported: {why}; give {right}", {"pickle_uri": right})
