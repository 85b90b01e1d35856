"""`defectory classifier`: train, calibrate, evaluate, export, classify, label, list, show."""

import typer

from orchestrator.cli.lazy import commands_at

app = typer.Typer(
    cls=commands_at(
        {
            "train": "orchestrator.cli.classifier_work:train",
            "calibrate": "orchestrator.cli.classifier_work:calibrate",
            "export": "orchestrator.cli.classifier_work:export",
            "evaluate": "orchestrator.cli.classifier_work:evaluate",
            "classify": "orchestrator.cli.classifying:classify",
            "label": "orchestrator.cli.classifier_models:label",
            "list": "orchestrator.cli.classifier_models:list_",
            "show": "orchestrator.cli.classifier_models:show",
        }
    ),
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Classifiers: MobileNetV2 with the paper's head.",
)
