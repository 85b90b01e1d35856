"""Services do not compile their framework at every start, and `defectory doctor` says where they would."""

import py_compile
import re
import sys
from pathlib import Path

import pytest

from orchestrator.cli import doctor
from orchestrator.pipeline.bytecode import VARIABLE, Bytecode, bytecode, with_bytecode

ROOT = Path(__file__).parents[3]


def test_a_package_is_compiled_once_its_module_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "site" / "slow_framework" / "__init__.py"
    file.parent.mkdir(parents=True)
    file.write_text("")
    monkeypatch.syspath_prepend(str(file.parents[1]))
    monkeypatch.setattr(sys, "pycache_prefix", None)
    before = bytecode(("absent_framework", "slow_framework"))
    py_compile.compile(str(file))
    after = bytecode(("absent_framework", "slow_framework"))
    folder = file.parent / "__pycache__"
    assert before == Bytecode("slow_framework", folder, is_kept=False, is_writable=True)
    assert after == Bytecode("slow_framework", folder, is_kept=True, is_writable=True)
    assert bytecode(("absent_framework",)) is None


def test_services_keep_what_they_compile_though_the_environment_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path))  # as if nothing had ever been compiled
    assert with_bytecode({VARIABLE: "1", "HOME": "/h"}) == {"HOME": "/h"}


def test_what_the_environment_says_is_left_where_it_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path / "file" / "no-folder"))
    assert with_bytecode({VARIABLE: "1"}) == {VARIABLE: "1"}


@pytest.mark.parametrize(
    ("is_kept", "is_writable", "environ", "state", "mend"),
    [
        (True, False, {VARIABLE: "1"}, "ok", ""),
        (False, False, {}, "note", "PYTHONPYCACHEPREFIX"),
        (False, True, {VARIABLE: "1"}, "note", "`make install` compiles it once"),
        (False, True, {}, "note", "the first start compiles it"),
    ],
)
def test_doctor_says_what_makes_starts_slow_and_what_to_do(
    is_kept: bool, is_writable: bool, environ: dict[str, str], state: str, mend: str
) -> None:
    (finding,) = doctor._starts(Bytecode("tensorflow", Path("/site/tensorflow"), is_kept, is_writable), environ)
    assert finding.state == state
    assert mend in finding.mend


def test_installing_imports_what_the_workers_of_every_service_do() -> None:
    (line,) = re.findall(r"^WORKERS := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    sources = [path.read_text() for path in ROOT.glob("services/*/servicer.py")]
    jobs = {job for source in sources for job in re.findall(r'"(services\.\w+\.jobs):', source)}
    assert len(jobs) == 4
    assert jobs <= set(re.split(r"[ ,]", line))
