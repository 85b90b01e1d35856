"""`defectory review`: a page on which a person looks at synthetic images, or a dataset's pictures, and decides."""

import os
import sys
from typing import Annotated

import typer

from orchestrator.cli import browser
from orchestrator.cli.options import AsJson, Store, opened
from orchestrator.cli.output import emit

DEFAULT_PORT = 8765


def review(
    name: Annotated[
        str, typer.Argument(metavar="RUN|DATASET", help="A run, a fold of an experiment (tiles-f2), or else a dataset.")
    ],
    *,
    dataset: Annotated[
        bool, typer.Option("--dataset", help="The dataset of that name, though there is a run that is called so.")
    ] = False,
    host: Annotated[str, typer.Option("--host", help="Address to listen on; 0.0.0.0 in a container.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Its port; 0: any free one.")] = DEFAULT_PORT,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host", metavar="HOST[:PORT]", help="A name that browsers may call it by, beside localhost."
        ),
    ] = None,
    open_page: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")] = True,
    store: Store = "",
    as_json: AsJson = False,
) -> None:
    """Look at images in the browser, and accept, reject or relabel them, many at once and by keyboard.

    The page is served on this machine only, until Ctrl-C, to whoever brings the token in the printed address
    (DEFECTORY_REVIEW_TOKEN: one of your own). It loads nothing from elsewhere and sends nothing to anybody. Every
    decision is saved at once, beside the dataset; the same run, started again, trains on what was decided.

    Key g shows what the judge looked at. The explainer is DEFECTORY_EXPLAINER_ADDRESS (host:port), or is started when
    it is first asked for.

    \b
    defectory review demo
    defectory review screws --dataset --port 0 --no-open
    """
    from defectory.settings import reading_from_environment
    from orchestrator.pipeline.clients import ServiceClients
    from orchestrator.pipeline.embedded import EmbeddedServices, log_folder
    from orchestrator.review.serving import Address, new_token, serve
    from orchestrator.review.subject import read_subject

    opened_store = opened(store)
    address = Address(
        host=host,
        port=port,
        allowed=tuple(allow_host or ()),
        token=os.environ.get("DEFECTORY_REVIEW_TOKEN") or new_token(),
        tls_cert=os.environ.get("DEFECTORY_TLS_CERT", ""),
        tls_key=os.environ.get("DEFECTORY_TLS_KEY", ""),
    )
    subject = read_subject(opened_store, name, reading_from_environment(), as_dataset=dataset)

    def ready(url: str) -> None:
        emit({"url": url, "pictures": len(subject.lines)}, as_json, f"{len(subject.lines)} pictures to review: {url}")
        sys.stderr.write("served to this address only, and nothing is sent to anybody; Ctrl-C stops\n")
        if open_page and not as_json and not browser.open_page(url):
            sys.stderr.write("no browser can be opened here: open the address above in one\n")

    def ended(documents: dict[str, str]) -> None:
        for uri in documents.values():
            sys.stderr.write(f"what was decided: {uri}\n")

    def warn(text: str) -> None:
        sys.stderr.write(f"{text}\n")

    with EmbeddedServices(opened_store.url, log_folder(opened_store.url), say=warn) as endpoints:
        serve(opened_store, subject, address, lambda: ServiceClients(endpoints, warn), ready, ended)
