"""`defectory classifier label`, `list` and `show`: the classifiers of a store."""

from typing import Annotated

import typer

from orchestrator.cli.models import list_models_of, show_model
from orchestrator.cli.options import AsJson, ClassifierModel, Store, opened
from orchestrator.cli.output import emit

SHOWN = ["model", "labels", "input_px", "cycles", "weights_sha256"]


def label(
    model: Annotated[str, typer.Argument(help='"name/version"; "name" with --remove.')],
    label: Annotated[str, typer.Argument(help="stable or canary.")],
    remove: Annotated[bool, typer.Option("--remove", help="Take the label from the version that has it.")] = False,
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Give a version a label. The one labelled "stable" is meant where a name is given without a version.

    \b
    defectory classifier label screws/3 stable
    defectory classifier label screws canary --remove
    """
    from defectory.models import remove_label, set_label

    labels = (remove_label if remove else set_label)(opened(store), "classifier", model, label)
    emit({"model": model.partition("/")[0], "labels": labels}, as_json)


def list_(store: Store = "", as_json: AsJson = False) -> None:
    """List the classifiers in the store.

    \b
    defectory classifier list
    """
    list_models_of(opened(store), "classifier", SHOWN, as_json)


def show(model: ClassifierModel, store: Store = "", as_json: AsJson = False) -> None:
    """Show a classifier's card: its weights' sha256, labels, settings and lineage.

    \b
    defectory classifier show screws/1
    """
    show_model(opened(store), "classifier", model, as_json)
