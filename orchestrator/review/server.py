"""The page's server: what it answers, by path. Starlette gives the frame; handlers run in threads, as stores wait."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from defectory.datasets.manifest_line import ManifestLine
from defectory.errors import (
    AlreadyExists,
    DefectoryError,
    Exhausted,
    FailedPrecondition,
    InvalidInput,
    NotFound,
    Refused,
    Unavailable,
)
from defectory.storage.store import ObjectStore
from defectory.wording import why_of
from orchestrator.pipeline.clients import Services
from orchestrator.review import messages
from orchestrator.review.access import Guard, Sessions
from orchestrator.review.alike import nearest
from orchestrator.review.blind import BlindTests
from orchestrator.review.compared import Compared, Work
from orchestrator.review.decided import UNDECIDED, VERDICTS, Decided, final
from orchestrator.review.features import NOT_THIS
from orchestrator.review.folding import write_documents
from orchestrator.review.heat import Heat
from orchestrator.review.pictures import Encoded, Pictures
from orchestrator.review.rows import rows_of
from orchestrator.review.samples import NOT_OF_A_SAMPLE, keep_sample
from orchestrator.review.sets import SET_NAMES, SetName, members_of
from orchestrator.review.statistics import of_reviewer, of_sample, pairs
from orchestrator.review.subject import Subject
from orchestrator.review.views import ViewQuery, scored_view, view

STATIC = Path(__file__).parent / "static"
KEPT = {"cache-control": "private, max-age=86400, immutable"}  # its address says what it shows
STATUS: Sequence[tuple[type[DefectoryError], int]] = (
    (InvalidInput, 400), (Refused, 403), (NotFound, 404), (AlreadyExists, 409), (FailedPrecondition, 409),
    (Exhausted, 507), (Unavailable, 503), (DefectoryError, 500),
)  # fmt: skip
MOST_ALIKE = 5000
Read = TypeVar("Read", bound=BaseModel)


class ReviewServer:
    """What the page asks for, about one subject.

    Args:
        services: makes what reaches the explainer, see `Heat`.
    """

    def __init__(
        self, store: ObjectStore, subject: Subject, sessions: Sessions, services: Callable[[], Services]
    ) -> None:
        self._store = store
        self._subject = subject
        self._sessions = sessions
        self._rows = rows_of(subject)
        self._decided = Decided(store, subject)
        self._heat = Heat(store, subject.judge, services)
        self._pictures = Pictures(store, subject, self._heat)
        self._blind = BlindTests(store, subject)
        self._compared = Compared(store, subject)

    def app(self, hosts: Sequence[str]) -> Guard:
        """The whole as an ASGI application.

        Args:
            hosts: that it answers for, with their ports.
        """
        routes = [
            Route("/", self._page),
            Mount("/static", StaticFiles(directory=STATIC)),
            Route("/api/session", self._sign_in, methods=["POST"]),
            Route("/api/subject", self._asked(self._about)),
            Route("/api/view", self._asked(self._view)),
            Route("/api/mine", self._asked(self._mine)),
            Route("/api/rows", self._asked(self._of_rows)),
            Route("/api/alike/{row:int}", self._asked(self._alike)),
            Route("/api/scores", self._asked(self._scores)),
            Route("/api/map", self._asked(self._map)),
            Route("/api/map/points", self._asked(self._points)),
            Route("/api/heat/{generation}/{row:int}", self._asked(self._explain)),
            Route("/api/statistics", self._asked(self._statistics)),
            Route("/api/decisions", self._sent(messages.Decide, self._decide), methods=["POST"]),
            Route("/api/undo", self._sent(messages.Undo, self._undo), methods=["POST"]),
            Route("/api/documents", self._sent(messages.Sent, self._write), methods=["POST"]),
            Route("/api/blind", self._sent(messages.BeginBlind, self._begin_blind), methods=["POST"]),
            Route("/api/blind/{trial}", self._sent(messages.FinishBlind, self._finish_blind), methods=["POST"]),
            Route("/blind/{trial}/{place:int}", self._asked(self._blind_picture)),
            Route("/thumbnail/{generation}/{row:int}", self._asked(self._thumbnail)),
            Route("/layer/{generation}/{row:int}/{layer}", self._asked(self._layer)),
        ]
        return Guard(Starlette(routes=routes, exception_handlers={DefectoryError: _failed}), hosts)

    def close(self) -> None:
        """Stop what is on its way for the page alone."""
        self._compared.close()
        self._heat.close()

    def write_documents(self) -> dict[str, str]:
        """Dataset -> URI of the document that says what counts now."""
        return write_documents(self._store, self._subject, self._decided)

    # Who asks, and what is sent.

    def _asked(self, answer: Callable[[Request, str], Response]) -> Callable[[Request], object]:
        """A handler of what a reviewer, who is known, asks for."""

        async def handler(request: Request) -> Response:
            return await run_in_threadpool(answer, request, self._reviewer(request))

        return handler

    def _sent(self, kind: type[Read], answer: Callable[[Request, str, Read], Response]) -> Callable[[Request], object]:
        """A handler of what a reviewer, who is known, sends."""

        async def handler(request: Request) -> Response:
            name = self._reviewer(request)
            return await run_in_threadpool(answer, request, name, _read(kind, await request.body()))

        return handler

    def _reviewer(self, request: Request) -> str:
        name = self._sessions.reviewer(request.headers)
        if not name:
            raise Refused("nobody is signed in here: open the address that `defectory review` printed")
        return name

    async def _page(self, _request: Request) -> Response:
        return FileResponse(STATIC / "index.html", headers={"cache-control": "no-cache"})

    async def _sign_in(self, request: Request) -> Response:
        asked = _read(messages.SignIn, await request.body())
        if not self._sessions.is_token(asked.token):
            raise Refused("this is not the token of this server: open the address that `defectory review` printed last")
        name = " ".join(asked.name.split())
        if not name:
            raise InvalidInput("a reviewer needs a name", {"name": "say who you are"})
        self._decided.reviewer(name)
        response = JSONResponse({"me": name})
        response.set_cookie(
            self._sessions.cookie, self._sessions.value(name), httponly=True, samesite="strict",
            secure=request.url.scheme == "https",
        )  # fmt: skip
        return response

    # Pictures and views.

    def _about(self, _request: Request, name: str) -> Response:
        rows, subject = self._rows, self._subject
        return _json(
            messages.SubjectAnswer(
                name=subject.name,
                me=name,
                generation=rows.generation,
                rows=len(rows),
                labels=subject.labels,
                kinds=rows.kind_names,
                origins=rows.origin_names,
                verdicts=rows.verdict_names,
                reasons=rows.reason_names,
                reviewers=tuple(one.name for one in self._decided.reviewers()),
                blind_labels=tuple(self._blind.labels()),
                photographs=len(subject.photographs),
                judged=bool(subject.judge),
                has_scores=bool(np.isfinite(rows.doubt).any()),
                has_novelty=bool(np.isfinite(rows.novelty).any()),
            )
        )

    def _view(self, request: Request, name: str) -> Response:
        query, me, reviewers = _query(request), self._decided.reviewer(name), self._decided.reviewers()
        if query.score:
            scored = self._work(query.of, anew=False).future.result()
            order = scored_view(self._rows, self._subject.photographs, query, scored, me, reviewers)
        else:
            order = view(self._rows, query, me, reviewers)
        return Response(order.astype("<u4").tobytes(), media_type="application/octet-stream")

    def _mine(self, _request: Request, name: str) -> Response:
        """uint16 a row: verdict + 4 * label."""
        me = self._decided.reviewer(name)
        said = me.verdict.astype("<u2") + 4 * me.label.astype("<u2")
        return Response(said.tobytes(), media_type="application/octet-stream")

    def _of_rows(self, request: Request, name: str) -> Response:
        try:
            wanted = [int(row) for row in request.query_params.get("rows", "").split(",")]
        except ValueError as error:
            raise InvalidInput("rows: numbers with commas between them", {"rows": "e.g. 1,5,9"}) from error
        if len(wanted) > messages.MOST_ROWS:
            right = f"at most {messages.MOST_ROWS}"
            raise InvalidInput(f"{len(wanted)} rows at once: {right}", {"rows": right})
        others = request.query_params.get("others") == "1"
        return _json(messages.RowsAnswer(rows=[self._row(row, name, others=others) for row in wanted]))

    def _row(self, row: int, name: str, *, others: bool) -> messages.RowAnswer:
        line, rows = self._line(row), self._rows
        synthesis, shown = line.synthesis, row < len(rows)
        return messages.RowAnswer(
            row=row,
            sha256=line.file.sha256,
            dataset=self._subject.datasets[self._subject.of_row[row]].name if shown else "",
            label=line.label,
            kind=line.kind,
            origin=line.origin.kind,
            verdict=line.judgement.verdict,
            reasons=line.judgement.reasons,
            width=line.file.width,
            height=line.file.height,
            source=line.origin.source,
            generator=synthesis.generator if synthesis else "",
            seed=synthesis.seed if synthesis else None,
            psi=synthesis.truncation_psi if synthesis else None,
            confidence=_finite(rows.confidence[row]) if shown else None,
            doubt=_finite(rows.doubt[row]) if shown else None,
            novelty=_finite(rows.novelty[row]) if shown else None,
            scores=dict(line.judgement.scores or {}),
            layers=self._pictures.layers(line),
            others=self._others(row, name) if others and shown else {},
        )

    def _others(self, row: int, name: str) -> dict[str, str]:
        """Reviewer -> what he said of a row; they are shown where they are asked for, so that nobody copies another."""
        said = {}
        for one in self._decided.reviewers():
            if one.name != name and one.verdict[row] != UNDECIDED:
                label = f", {self._subject.labels[one.label[row] - 1]}" if one.label[row] else ""
                said[one.name] = VERDICTS[one.verdict[row]] + label
        return said

    def _alike(self, request: Request, _name: str) -> Response:
        line = self._line(request.path_params["row"])
        count = request.query_params.get("count", "50")
        if not count.isdecimal() or not 1 <= int(count) <= MOST_ALIKE:
            right = f"1 to {MOST_ALIKE}"
            raise InvalidInput(f"count {count!r}: use {right}", {"count": right})
        features = self._compared.features()
        if missing := self._compared.missing():
            return _json(messages.Alike(missing=missing))
        if line.file.sha256 not in features:
            return _json(messages.Alike(missing=NOT_THIS))
        neighbours = nearest(features, [x.file.sha256 for x in self._subject.lines], line.file.sha256, int(count))
        return _json(
            messages.Alike(rows=[row for row, _ in neighbours], distances=[round(far, 6) for _, far in neighbours])
        )

    def _scores(self, request: Request, _name: str) -> Response:
        asked = request.query_params.get("of", "kept")
        name = next((one for one in SET_NAMES if one == asked), None)
        if name is None:
            right = " or ".join(SET_NAMES)
            raise InvalidInput(f"there is no set {asked!r}: use {right}", {"of": right})
        if missing := self._compared.missing():
            return _json(messages.ScoresAnswer(of=name, missing=missing))
        work = self._work(name, anew=request.query_params.get("anew") == "1")
        if not work.future.done():
            return _json(messages.ScoresAnswer(of=name, done=work.done))
        return _json(messages.scores_answer(name, self._subject.labels, work.future.result()))

    def _work(self, name: SetName, *, anew: bool) -> Work:
        said = final(self._decided.reviewers(), len(self._rows))
        return self._compared.scores(name, members_of(name, self._rows, said), anew=anew)

    def _map(self, _request: Request, _name: str) -> Response:
        if missing := self._compared.missing():
            return _json(messages.MapAnswer(missing=missing))
        return _json(messages.MapAnswer(explained=self._compared.plane().explained))

    def _points(self, _request: Request, _name: str) -> Response:
        """float32 (N + P, 2): the rows, then the photographs; nan for those without features."""
        return Response(self._compared.plane().points.astype("<f4").tobytes(), media_type="application/octet-stream")

    def _explain(self, request: Request, _name: str) -> Response:
        """Whether the layer `heat` has something to show; it is kept for the moment in which the page asks for it."""
        self._heat.overlay(self._named_line(request))
        return _json(messages.Answer())

    def _thumbnail(self, request: Request, _name: str) -> Response:
        return _image(self._pictures.thumbnail(self._named_line(request)), KEPT)

    def _layer(self, request: Request, _name: str) -> Response:
        return _image(self._pictures.layer(self._named_line(request), request.path_params["layer"]), KEPT)

    def _named_line(self, request: Request) -> ManifestLine:
        """The line that an address names, of the pictures that are shown now."""
        if request.path_params["generation"] != self._rows.generation:
            raise NotFound("these are other pictures now: load the page again")
        return self._line(request.path_params["row"])

    def _line(self, row: int) -> ManifestLine:
        """The line of a row; photographs stand behind all rows."""
        count, photographs = len(self._subject.lines), self._subject.photographs
        if not 0 <= row < count + len(photographs):
            raise NotFound(f"there is no row {row}")
        return self._subject.lines[row] if row < count else photographs[row - count]

    # Decisions.

    def _decide(self, _request: Request, name: str, sent: messages.Decide) -> Response:
        self._check(sent.generation)
        self._decided.decide(name, sent.batch, sent.changes)
        return _json(messages.Saved(changes=sent.changes))

    def _undo(self, _request: Request, name: str, sent: messages.Undo) -> Response:
        self._check(sent.generation)
        return _json(messages.Saved(changes=self._decided.undo(name, sent.batch)))

    def _check(self, generation: str) -> None:
        if generation != self._rows.generation:
            raise FailedPrecondition("these are other pictures than the page shows: load it again; nothing was decided")

    def _write(self, _request: Request, _name: str, _sent: messages.Sent) -> Response:
        return _json(messages.Written(documents=self.write_documents()))

    def _statistics(self, request: Request, name: str) -> Response:
        reviewers, me = self._decided.reviewers(), self._decided.reviewer(name)
        query = _query(request)
        sampled = None
        if query.sample:
            sampled = of_sample(me, view(self._rows, query.model_copy(update=NOT_OF_A_SAMPLE), me, reviewers))
            keep_sample(self._store, self._subject, self._rows, name, query, sampled)
        return _json(
            messages.StatisticsAnswer(
                rows=len(self._rows),
                decided=int((final(reviewers, len(self._rows)).verdict != UNDECIDED).sum()),
                reviewers=[of_reviewer(one, self._rows) for one in reviewers],
                pairs=pairs(reviewers),
                sample=sampled,
                blind=self._blind.results(),
            )
        )

    # Blind tests.

    def _begin_blind(self, _request: Request, name: str, sent: messages.BeginBlind) -> Response:
        trial = self._blind.begin(name, sent.label, sent.pictures)
        return _json(messages.BlindBegun(id=trial.id, label=trial.label, pictures=len(trial.lines)))

    def _blind_picture(self, request: Request, name: str) -> Response:
        trial = self._blind.trial(request.path_params["trial"], name)
        if not 0 <= request.path_params["place"] < len(trial.lines):
            raise NotFound("this blind test has no such picture")
        return _image(self._pictures.unnamed(trial.lines[request.path_params["place"]], trial.side_px), {})

    def _finish_blind(self, request: Request, name: str, sent: messages.FinishBlind) -> Response:
        result, real = self._blind.finish(request.path_params["trial"], name, sent.answers)
        return _json(messages.BlindFinished(result=result, real=real))


async def _failed(_request: Request, error: Exception) -> Response:
    status = next(code for kind, code in STATUS if isinstance(error, kind))
    fields = error.fields if isinstance(error, DefectoryError) else {}
    unsigned = isinstance(error, Refused) and "signed in" in str(error)
    return JSONResponse({"error": str(error), "fields": fields}, 401 if unsigned else status)


def _read(kind: type[Read], body: bytes) -> Read:
    try:
        return kind.model_validate_json(body or b"{}")
    except ValidationError as error:
        fields = {".".join(map(str, one["loc"])) or "body": why_of(one) for one in error.errors()}
        raise InvalidInput("; ".join(f"{name}: {why}" for name, why in list(fields.items())[:5]), fields) from error


def _query(request: Request) -> ViewQuery:
    asked = request.query_params
    repeated = {name for name, field in ViewQuery.model_fields.items() if field.default == ()}
    values = {name: asked.getlist(name) if name in repeated else asked[name] for name in asked}
    try:
        return ViewQuery.model_validate(values)
    except ValidationError as error:
        fields = {".".join(map(str, one["loc"])): why_of(one) for one in error.errors()}
        raise InvalidInput("; ".join(f"{name}: {why}" for name, why in fields.items()), fields) from error


def _json(answer: BaseModel) -> Response:
    return Response(answer.model_dump_json(), media_type="application/json")


def _image(encoded: Encoded, headers: dict[str, str]) -> Response:
    return Response(encoded.content, media_type=encoded.media_type, headers=headers)


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
