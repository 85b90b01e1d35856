"""The measures of the source count what they say, and this tree keeps to them."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from bench.measures import ROOT, any_in, literals, measures, named_in, parameters, sources

MODULE = '''"""Says Any in its docstring, which does not count."""
from typing import Any

class Oven:
    def bake(self, bread: Any, heat_c: "dict[str, Any]", *, arm: str = "baseline", steam_l: float = 1) -> None:
        return {"baseline": 1, "baselines": 2, "arm": "expanded"}[arm]

def light(self) -> None: ...
'''


class Baking(BaseModel):
    heat_c: int = 0
    steam_l: float = 0
    crust_mm: float = 0
    arm: str = ""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for place in ("orchestrator/cli/oven.py", "orchestrator/pipeline/presets.py", "defectory/api/oven_pb2.py"):
        (tmp_path / place).parent.mkdir(parents=True)
        (tmp_path / place).write_text(MODULE)
    (tmp_path / "orchestrator/cli/bake.py").write_text(
        '@with_settings({"crust_mm": "crust"})\ndef bake(): heat_c = 1\n'
    )
    return tmp_path


def test_they_count_what_they_say(tree: Path) -> None:
    oven = tree / "orchestrator/cli/oven.py"
    assert any_in(oven) == 3
    assert literals(oven, ["baseline", "expanded"]) == 3
    assert parameters(oven) == (4, "cli/oven.py:bake")
    assert named_in(tree / "orchestrator", Baking) == {
        "heat_c": {"cli/oven.py", "cli/bake.py"}, "steam_l": {"cli/oven.py"}, "crust_mm": set(),
    }  # fmt: skip


def test_generated_code_does_not_count(tree: Path) -> None:
    counted = {path.relative_to(tree).as_posix() for path in sources(tree, ["defectory", "orchestrator"])}
    assert counted == {"orchestrator/cli/oven.py", "orchestrator/cli/bake.py", "orchestrator/pipeline/presets.py"}


def test_this_tree_keeps_to_them() -> None:
    counted = dict(measures(ROOT))
    (arms,) = (value for name, value in counted.items() if name.startswith("literals"))
    (largest,) = (value for name, value in counted.items() if name.startswith("lines of the longest module"))
    (most,) = (value for name, value in counted.items() if name.startswith("parameters"))
    assert arms == 0
    assert largest <= 400
    assert most < 40  # as many as one function took before settings were defined once
