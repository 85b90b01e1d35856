"""What the orchestrator is told by the services and tells itself has a type."""

from pathlib import Path

import pytest

from bench.measures import any_in
from defectory.api.classifier.v1 import classifier_pb2
from defectory.api.explainer.v1 import explainer_pb2
from defectory.api.filter.v1 import filter_pb2
from defectory.api.generator.v1 import generator_pb2
from orchestrator.pipeline import methods
from orchestrator.pipeline.methods import Method, Operation

ORCHESTRATOR = Path(methods.__file__).parents[1]
# Options and pages are made of commands, fields and JSON Schemas as they come; cards of datasets are what any version
# wrote; a group passes on what Typer makes it of.
UNTYPED = {
    "cli/reference.py": 5, "cli/dataset.py": 4, "cli/described.py": 8, "cli/setting_options.py": 12, "cli/lazy.py": 2,
}  # fmt: skip
PROTOS = {
    "classifier": classifier_pb2.DESCRIPTOR,
    "explainer": explainer_pb2.DESCRIPTOR,
    "filter": filter_pb2.DESCRIPTOR,
    "generator": generator_pb2.DESCRIPTOR,
}


def test_nothing_is_any_but_what_cannot_be_otherwise() -> None:
    counts = {str(path.relative_to(ORCHESTRATOR)): any_in(path) for path in sorted(ORCHESTRATOR.rglob("*.py"))}
    beyond = {file: count for file, count in counts.items() if count > UNTYPED.get(file, 0)}
    assert beyond == {}, "say the type, or object where any will do"


@pytest.mark.parametrize("method", [x for x in vars(methods).values() if isinstance(x, Method)], ids=lambda x: x.name)
def test_a_method_is_as_the_contract_has_it(method: Method) -> None:
    (service,) = PROTOS[method.service].services_by_name.values()
    contract = service.methods_by_name[method.name]
    assert method.request.DESCRIPTOR is contract.input_type
    if isinstance(method, Operation):
        assert contract.output_type.full_name == "google.longrunning.Operation"
        assert method.response.DESCRIPTOR.name == method.request.DESCRIPTOR.name.replace("Request", "Response")
    else:
        assert method.response.DESCRIPTOR is contract.output_type
