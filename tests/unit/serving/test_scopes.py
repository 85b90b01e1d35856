"""What a token allows: the table of calls against the descriptors, and the tokens' file."""

import hashlib
import importlib
import os
import pkgutil
from pathlib import Path

import pytest
from google.longrunning import operations_pb2
from google.protobuf.descriptor import FileDescriptor
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

import defectory.api
from defectory.errors import InvalidInput, Refused, Unauthenticated
from defectory.serving.scopes import OPEN_TO_ALL, SCOPES, Scope
from defectory.serving.status import from_status, to_status
from defectory.serving.tokens import Tokens, line_of, new_token

INFER = "/inference.GRPCInferenceService/ModelInfer"
TRAIN = "/defectory.api.classifier.v1.ClassifierService/TrainClassifier"
LIST = "/google.longrunning.Operations/ListOperations"


def descriptors() -> list[FileDescriptor]:
    """Of every proto that a server of ours serves: all of ours, operations, reflection."""
    names = [m.name for m in pkgutil.walk_packages(defectory.api.__path__, "defectory.api.") if m.name.endswith("_pb2")]
    ours = [importlib.import_module(name).DESCRIPTOR for name in names]
    return [*ours, operations_pb2.DESCRIPTOR, reflection_pb2.DESCRIPTOR]


def methods(file: FileDescriptor) -> set[str]:
    return {f"/{s.full_name}/{m.name}" for s in file.services_by_name.values() for m in s.methods}


def test_every_call_has_a_scope_and_every_scope_a_call() -> None:
    served = set().union(*map(methods, descriptors()))
    assert len(served) > 30
    assert served - set(SCOPES) == set(), "give them a scope in defectory/serving/scopes.py"
    assert set(SCOPES) - served == set(), "nobody serves them"


def test_only_health_is_open() -> None:
    assert all(method.startswith(OPEN_TO_ALL) for method in methods(health_pb2.DESCRIPTOR))
    assert not [method for method in SCOPES if method.startswith(OPEN_TO_ALL)]


def test_what_starts_work_wants_operate() -> None:
    """Whatever answers with an operation, by its descriptor and not by the table."""
    long = {
        f"/{s.full_name}/{m.name}"
        for file in descriptors()
        if file.package.startswith("defectory.")
        for s in file.services_by_name.values()
        for m in s.methods
        if m.output_type.full_name == "google.longrunning.Operation"
    }
    assert len(long) > 10
    assert {SCOPES[method] for method in long} == {Scope.OPERATE}


@pytest.mark.parametrize(
    ("scope", "method", "allowed"),
    [
        ("read", LIST, True), ("read", INFER, False), ("read", TRAIN, False),
        ("classify", LIST, False), ("classify", INFER, True), ("classify", TRAIN, False),
        ("operate", LIST, False), ("operate", INFER, False), ("operate", TRAIN, True),
        ("read,classify", INFER, True), ("read,operate", INFER, False),
    ],
)  # fmt: skip
def test_a_token_allows_its_scopes_and_no_other(scope: str, method: str, allowed: bool, tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text(f"line-4 {scope} {hashlib.sha256(b'abc').hexdigest()}\n")
    tokens = Tokens(path=f"{tmp_path}/tokens")
    if allowed:
        tokens.check(method, "Bearer abc")
    else:
        with pytest.raises(Refused, match="that of line-4 has") as caught:
            tokens.check(method, "Bearer abc")
        assert not isinstance(caught.value, Unauthenticated)
        assert "abc" not in str(caught.value)


@pytest.mark.parametrize("sent", ["", "abc", "Bearer", "Bearer ", "Bearer abd", "Basic abc", "bearer abc"])
def test_who_is_not_known_comes_nowhere(sent: str, tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text(f"line-4 read {hashlib.sha256(b'abc').hexdigest()}\n")
    tokens = Tokens(path=f"{tmp_path}/tokens")
    for method in (LIST, "/a.B/C"):
        with pytest.raises(Unauthenticated):
            tokens.check(method, sent)
    tokens.check(OPEN_TO_ALL + "Check", sent)


def test_a_call_without_a_scope_is_allowed_to_nobody() -> None:
    with pytest.raises(Refused, match="what no token allows"):
        Tokens("everything").check("/defectory.api.filter.v1.FilterService/New", "Bearer everything")


def test_a_file_that_changes_is_read_again_and_a_broken_one_changes_nothing(tmp_path: Path) -> None:
    path, first, second = tmp_path / "tokens", new_token(), new_token()
    path.write_text("# of the factory\n\n" + line_of("line-4", [Scope.READ], first) + "\n")
    tokens = Tokens("own", str(path))
    path.write_text(line_of("line-5", [Scope.READ], second) + "\n")
    os.utime(path, ns=(1, 1))
    tokens.check(LIST, f"Bearer {first}")
    tokens.reload()
    tokens.check(LIST, f"Bearer {second}")
    tokens.check(TRAIN, "Bearer own")
    with pytest.raises(Unauthenticated):
        tokens.check(LIST, f"Bearer {first}")
    path.write_text("line-6 admin x\n")
    tokens.reload()
    path.unlink()
    tokens.reload()
    tokens.check(LIST, f"Bearer {second}")


@pytest.mark.parametrize(
    "line", ["a read", "a write " + "0" * 64, "a read secret", "-x read " + "0" * 64, "a , " + "0" * 64]
)
def test_a_line_that_is_none_is_named_by_its_number_only(line: str, tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text(f"\n{line}\n")
    with pytest.raises(InvalidInput, match=r"tokens', line 2: write a name") as caught:
        Tokens(path=f"{tmp_path}/tokens")
    assert "secret" not in str(caught.value)


def test_no_file_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="No such file"):
        Tokens(path=f"{tmp_path}/none")


def test_who_is_not_known_is_told_so_on_the_other_side_too() -> None:
    assert type(from_status(to_status(Unauthenticated("no token")))) is Unauthenticated
    assert type(from_status(to_status(Refused("no scope")))) is Refused
