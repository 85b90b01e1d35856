"""The pages of docs/ that are made from the code: `python -m orchestrator.cli.reference NAME`."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from types import NoneType
from typing import Any, get_args

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from defectory.exit_codes import EVICTED, EXIT_CODES, INTERNAL, INTERRUPTED, OK, USAGE
from orchestrator.cli.described import Described, described, described_entry, in_schema
from orchestrator.pipeline.arms import ArmSettings

GENERATED = "<!-- made by `make docs`; do not edit -->"
CLI_INTRO = """# The command line

Every command takes `--store URL` (else `DEFECTORY_STORE`, else the folder `./.defectory`) and `--json`: exactly one
JSON object on standard output, everything else on standard error. A command that failed prints
`{"error": {"kind", "message", "fields"}}` there. The same command again continues what was stopped, and finds what is
done.

A command starts the services that it needs on this machine and stops them at its end, unless
`DEFECTORY_GENERATOR_ADDRESS`, `DEFECTORY_CLASSIFIER_ADDRESS`, `DEFECTORY_FILTER_ADDRESS` and
`DEFECTORY_EXPLAINER_ADDRESS` (`host:port`) say where they are. Their logs lie in the folder store's `logs/`, else in
`~/.cache/defectory/logs`; `defectory logs OPERATION` shows what they say of one piece of work.

While a command works, standard error says how far it is. On a terminal every step that runs has one live line, which
leaves a line with what came of it. In a file, a pipe, a dumb terminal (`TERM=dumb`) or CI (`CI` is set) every step has
a plain line each ten seconds. `NO_COLOR` takes the colours away. `--verbose` says more: why a step runs, what was
recognised, where samples lie, every measured value.
"""
PIPELINE_INTRO = """# Pipeline files

A pipeline file is YAML. Only `data.directory` is required; everything else has a default, which `preset` may change.
Paths are relative to the file. `defectory run --schema` prints the JSON Schema.

Any setting can also be typed: `defectory run photos/ --set generator.kimg=1 --set data.validation_share=0.4` takes it
by its path, with the value as YAML has it, over what the file and the other options say. A `kimg` that is given also
bounds a `transfer_kimg` that only the preset gives. `--write pipeline.yaml` writes what such a command would run, every
setting with its sentence and range, to start from: `defectory run pipeline.yaml` then plans the same.
"""
ARMS_BELOW = """
An entry that is only the name of a default arm stands for it. The first arm is what the others are compared with:

```yaml
arms:
  - baseline
  - expanded
  - name: rare-first
    trains_on: balanced
    classifier: {epochs: 30}
```

All arms take the same number of steps an epoch: as many as show the largest training set once. Where images are changed
at random (`augmented`), a frozen base cannot embed each of them once for all epochs: such an arm takes minutes where
the others take seconds. An arm on more real ones is not there yet.
"""
SETTINGS_INTRO = """# Settings of a service

Settings are read once, at the start: from the flag (`--metrics-port`), else from the variable
(`DEFECTORY_METRICS_PORT`), else the default. A value out of range ends the start with the setting's name. The token has
no flag, since a flag shows in the list of processes.
"""
SETTINGS_BESIDE = """## Variables beside them

| variable | who reads it | meaning |
|---|---|---|
| `DEFECTORY_S3_ENDPOINT`, else `AWS_ENDPOINT_URL_S3`, else `AWS_ENDPOINT_URL` | all that open an S3 store | \
`http://host:port` or `https://host`; default Amazon's |
| `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN` | the same | credentials; without them the usual \
chain: `MINIO_…` variables, `~/.aws/credentials`, the machine's role |
| `AWS_REGION`, else `AWS_DEFAULT_REGION` | the same | default `us-east-1` |
| `AWS_CA_BUNDLE`, else `SSL_CERT_FILE` | the same | PEM file, or folder, of the CA of an S3 server whose certificate \
is of your own authority |
| `DEFECTORY_TLS_CA` | the command line, the probe, the filter, the classifier | PEM file of the CA of the services \
that they call; with it they speak TLS ([security.md](security.md)) |
| `DEFECTORY_TOKEN`, `DEFECTORY_TLS_CERT`, `DEFECTORY_TLS_KEY`, `DEFECTORY_MAX_MESSAGE_MB` | the same | what they \
send, show and take |
| `DEFECTORY_<SERVICE>_ADDRESS` | the command line | where a service is; without it one is started |
| `DEFECTORY_REVIEW_TOKEN` | `defectory review` | token that opens its page, of 16 characters or more; without it \
a new one every time |
| `KERAS_HOME` | the classifier | where Keras keeps the ImageNet weights that it fetches |
| `OTEL_EXPORTER_OTLP_ENDPOINT` | every service | where traces go; OpenTelemetry's other variables apply |
"""


def cli_page() -> str:
    """Exit codes and the help of every command."""
    from orchestrator.cli.main import app

    root: Any = typer.main.get_command(app)
    sections = [f"## {name}\n\n```\n{text}\n```" for name, text in _helps(root, "defectory")]
    return "\n\n".join([GENERATED, CLI_INTRO.strip(), _exit_codes(), *sections]) + "\n"


def _helps(command: Any, name: str) -> Iterator[tuple[str, str]]:
    context = command.make_context(name, [], resilient_parsing=True, max_content_width=100, terminal_width=100)
    yield name, "\n".join(line.rstrip() for line in command.get_help(context).strip().splitlines())
    for sub, child in getattr(command, "commands", {}).items():
        yield from _helps(child, f"{name} {sub}")


def _exit_codes() -> str:
    rows = [(OK, "done"), (INTERNAL, "internal error: the log or the trace on standard error has it"), (USAGE, "usage")]
    rows += [(code, f"{kind.__name__}: {(kind.__doc__ or '').splitlines()[0]}") for kind, code in EXIT_CODES.items()]
    rows += [(EVICTED, "stopped by SIGTERM (an evicted pod); the same command goes on, so try again")]
    rows += [(INTERRUPTED, "stopped by Ctrl-C; the same command goes on")]
    return "## Exit codes\n\n| code | meaning |\n|---|---|\n" + "\n".join(f"| {c} | {text} |" for c, text in rows)


def pipeline_page() -> str:
    """Steps, presets and every setting with default, range and meaning."""
    from orchestrator.pipeline.arms import DEFAULT_ARMS
    from orchestrator.pipeline.line import line_of
    from orchestrator.pipeline.presets import PRESETS
    from orchestrator.pipeline.settings import PipelineSettings

    line = line_of(DEFAULT_ARMS)
    steps = "\n".join(f"1. `{s.name}` reads {', '.join(f'`{n}`' for n in s.needs) or 'the photographs'}" for s in line)
    rules = (
        "A step whose inputs (settings, outputs of the steps that it reads, files) have not changed is skipped. "
        "`--from STEP` computes a step and all after it anew; `--dry-run` says what would run, and why."
    )
    presets = ["| setting | " + " | ".join(PRESETS) + " |", "|---" * (len(PRESETS) + 1) + "|"]
    flat = {name: dict(_flat(values)) for name, values in PRESETS.items()}
    presets += [
        f"| `{key}` | " + " | ".join(str(values.get(key, "")) for values in flat.values()) + " |"
        for key in sorted({key for values in flat.values() for key in values})
    ]
    tables = [_table("the file itself", PipelineSettings)]
    for name, field in PipelineSettings.model_fields.items():
        if section := _section(field):
            tables.append(_table(f"`{name}`", section))
    tables.append(f"{_table('an entry of `arms`', ArmSettings)}\n\n{ARMS_BELOW.strip()}")
    parts = [
        GENERATED,
        PIPELINE_INTRO.strip(),
        f"## Steps\n\n{steps}\n\n{rules}",
        "## Presets\n\n" + "\n".join(presets),
    ]
    return "\n\n".join([*parts, *tables]) + "\n"


def settings_page() -> str:
    """Every setting of a service with default, range and meaning, and the variables that are none.

    What one service only is told is asked of itself: the orchestrator knows services by their processes.
    """
    from defectory.ports import DEFAULT_METRICS_PORTS, DEFAULT_PORTS
    from defectory.settings import ServiceSettings

    rows = ["| variable | default | range | meaning |", "|---|---|---|---|"]
    ports = {"port": DEFAULT_PORTS, "metrics_port": DEFAULT_METRICS_PORTS}
    for name, setting in described(ServiceSettings).items():
        defaults = [f"{service} `{port}`" for service, port in ports.get(name, {}).items()]
        rows.append(_row(f"DEFECTORY_{name.upper()}", setting, ", ".join(defaults)))
    tables = ["\n".join(rows)]
    for service in DEFAULT_PORTS:
        command = [sys.executable, "-m", f"services.{service}", "--schema"]
        schema = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        own = [
            _row(f"DEFECTORY_{name.upper()}", described_entry(entry))
            for name, entry in in_schema(schema)
            if name not in ServiceSettings.model_fields
        ]
        if own:
            tables.append("\n".join([f"## Of the {service}\n", *rows[:2], *own]))
    return "\n\n".join([GENERATED, SETTINGS_INTRO.strip(), *tables, SETTINGS_BESIDE.strip()]) + "\n"


def ingest_page() -> str:
    """Layouts, what is a label, and the options."""
    from orchestrator.cli.ingest_page import ingest_page as page

    return f"{GENERATED}\n\n{page()}"


def _flat(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _section(field: FieldInfo) -> type[BaseModel] | None:
    alternatives = get_args(field.annotation)
    kinds = alternatives if NoneType in alternatives else (field.annotation,)  # a section may be absent
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def _table(title: str, model: type[BaseModel]) -> str:
    rows = [_row(name, setting) for name, setting in described(model).items()]
    doc = (model.__doc__ or "").splitlines()[0]
    return f"## Settings: {title}\n\n{doc}\n\n| setting | default | range | meaning |\n|---|---|---|---|\n" + "\n".join(
        rows
    )


def _row(name: str, setting: Described, default: str = "") -> str:
    """A setting as a row of a table."""
    default = default or ("required" if setting.required else f"`{setting.default}`" if setting.default else "")
    return f"| `{name}` | {default} | {setting.range or ', '.join(setting.choices)} | {setting.sentence} |"


def main() -> int:
    """Print a page."""
    pages = {"cli": cli_page, "ingest": ingest_page, "pipeline": pipeline_page, "settings": settings_page}
    if len(sys.argv) != 2 or sys.argv[1] not in pages:
        sys.stderr.write(f"usage: python -m orchestrator.cli.reference {'|'.join(pages)}\n")
        return USAGE
    sys.stdout.write(pages[sys.argv[1]]())
    return OK


if __name__ == "__main__":
    sys.exit(main())
