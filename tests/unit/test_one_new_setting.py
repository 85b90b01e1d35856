"""The measure of "defined once": a training's new setting is a field, a line of the proto, and the place it acts in."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from pydantic import Field
from typer.testing import CliRunner

from bench.measures import named_in
from defectory.api.generator.v1 import generator_pb2
from defectory.job_settings.base import JobSettings
from defectory.job_settings.classifier_training import ClassifierTraining
from defectory.job_settings.generator_training import GeneratorTraining, LearningSettings
from defectory.job_settings.messages import fill, read
from orchestrator.cli.described import described
from orchestrator.cli.setting_options import with_settings
from services.classifier.settings import TrainingSettings as ClassifierSettings
from services.classifier.settings import training_settings
from services.generator.training.settings import TrainingSettings as GeneratorSettings
from services.generator.training.settings import resolve

ROOT = Path(__file__).parents[2]
# Where the line or the command line has a business with a setting of its own, beside presets and names of options.
OF_THE_LINE = {
    "freeze_d": {"pipeline/generation.py"},  # not without an initial model
    "lecam_weight": {"pipeline/synthetic_steps.py"},  # finished runs do not train anew where nobody asks for it
    "measured_images": {"cli/generator.py"},  # who wants none measured is not warned that none can be
    "ship": {"pipeline/defect_steps.py"},  # what is only gone on from
    "with_mask": {"pipeline/synthetic_steps.py", "pipeline/defect_steps.py"},  # of defects, not of their surface
    "augment_p": {  # that it ended with; a word that is explained
        "pipeline/generation.py", "pipeline/outputs.py", "cli/generator.py", "glossary.py",
    },
    "good_label": {  # of a new calibration; what an experiment counts as defects; in errors; set into
        "cli/classifier_work.py", "proof/spec.py", "proof/preview.py", "pipeline/preview.py",
        "pipeline/defect_steps.py", "pipeline/synthetic_labels.py", "pipeline/settings.py",
    },
    "real_share": {  # of arms with made images only; in an arm's name; the curve of the share
        "proof/spec.py", "proof/arms.py", "proof/page.py",
    },
    "pretraining": {  # what an arm is; finished runs do not train anew where nobody says it
        "proof/spec.py", "proof/arms.py", "pipeline/classifier_steps.py",
    },
    "resolution_px": {  # a judge sees no more; a pipeline never leaves it open; where a setting has gone; a column
        "pipeline/classifier_steps.py", "pipeline/settings.py",
        "pipeline/data_settings.py", "cli/generator.py", "cli/models_list.py",
        "pipeline/defect_steps.py", "defects/crops.py",  # crops are no smaller
    },
    "square_px": {"pipeline/classifier_steps.py", "pipeline/defect_steps.py"},  # of a judge
    "initial_weights": {  # an arm starts as the first one did; what was asked for beside what was taken, in words
        "pipeline/classifier_steps.py", "pipeline/arms.py", "pipeline/known_inputs.py",
        "cli/run_result.py", "cli/sections.py", "cli/models.py",
        "pipeline/outcome.py", "pipeline/outputs.py", "cli/classifier_work.py", "report/page.py",
    },
    "steps_per_epoch": {  # equal in all arms, and told, also where it has changed
        "pipeline/classifier_steps.py", "pipeline/settings.py", "pipeline/known_inputs.py",
        "pipeline/outputs.py", "report/content.py", "proof/line.py",
    },
    "input_px": {  # coarse heat; a column of the list; where a setting of before has gone
        "report/heat.py", "cli/classifier_work.py", "cli/classifier_models.py", "pipeline/data_settings.py",
    },
}  # fmt: skip


class Sparkling(GeneratorTraining):
    """Today's training and one more setting."""

    sparkle: int = Field(3, ge=1, le=9, description="sparkles an image, as by augment_mode")


@pytest.fixture(scope="module")
def message() -> type[Message]:
    """Today's message and one more field."""
    file = FileDescriptorProto(name="sparkling.proto", package="sparkling", syntax="proto3")
    generator_pb2.TrainingSettings.DESCRIPTOR.CopyToProto(file.message_type.add())
    file.message_type[0].field.append(
        FieldDescriptorProto(
            name="sparkle", number=900, type=FieldDescriptor.TYPE_INT32, label=FieldDescriptor.LABEL_OPTIONAL
        )
    )
    pool = DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName("sparkling.TrainingSettings"))


def test_a_new_field_is_an_option_and_reaches_the_other_side_of_a_message(message: type[Message]) -> None:
    sent: list[Any] = []
    app = typer.Typer()

    @app.command()
    @with_settings({"augment_mode": "augment"})
    def train(name: str, training: Sparkling) -> None:
        sent.append(fill(message(), training))

    done = CliRunner().invoke(app, ["x", "--sparkle", "5"])
    assert done.exit_code == 0, done.output
    assert read(Sparkling, sent[0]) == Sparkling(sparkle=5)
    assert CliRunner().invoke(app, ["x"]).exit_code == 0
    assert read(Sparkling, sent[1]) == Sparkling(sparkle=3)


def test_its_help_has_its_sentence_its_range_and_its_default() -> None:
    app = typer.Typer(rich_markup_mode=None)

    @app.command()
    @with_settings({"augment_mode": "augment"})
    def train(training: Sparkling) -> None:
        raise AssertionError(training)

    shown = " ".join(CliRunner().invoke(app, ["--help"], terminal_width=200).output.split())
    assert "--sparkle <int> Sparkles an image, as by --augment. [default: 3; 1 to 9]" in shown
    refused = CliRunner().invoke(app, ["--sparkle", "10"])
    assert refused.exit_code == 2
    assert re.search(r"'--sparkle'.*use a (whole )?number.* 9", " ".join(refused.output.split()))


def test_the_pages_describe_it() -> None:
    entry = described(Sparkling)["sparkle"]
    assert (entry.default, entry.range, entry.sentence) == ("3", "1 to 9", "sparkles an image, as by augment_mode")


@pytest.mark.parametrize("model", [GeneratorTraining, ClassifierTraining])
def test_neither_the_line_nor_a_command_names_a_setting_without_a_reason(model: type[JobSettings]) -> None:
    for name, naming in named_in(ROOT / "orchestrator", model).items():
        assert naming <= OF_THE_LINE.get(name, set()), name


@pytest.mark.parametrize(
    ("asked", "whole", "of_its_own"),
    [
        (LearningSettings, GeneratorSettings, {"architecture", "snapshot_kimg", "augment_kimg"}),
        (ClassifierTraining, ClassifierSettings, {"input_px", "folds"}),
    ],
)
def test_a_service_names_again_only_what_it_fills_in(
    asked: type[JobSettings], whole: type[JobSettings], of_its_own: set[str]
) -> None:
    filled_in = {name for name, field in asked.model_fields.items() if field.default is None}
    assert set(whole.__annotations__) <= filled_in | of_its_own


@pytest.mark.parametrize(
    ("name", "value"), [("keep_checkpoints", 7), ("leak_guard", False), ("ship", "last"), ("tf32", True)]
)
def test_what_has_a_default_of_its_own_goes_through_a_generators_service_unnamed(name: str, value: object) -> None:
    assert getattr(resolve({name: value}, size_px=64, channels=3), name) == value


def test_what_has_a_default_of_its_own_goes_through_a_classifiers_service_unnamed() -> None:
    assert training_settings({"synthetic_cap": 11}, 64).synthetic_cap == 11
