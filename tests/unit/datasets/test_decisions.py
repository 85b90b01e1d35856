"""What is decided about pictures lies apart from them, and is read as a manifest is."""

import json
from collections import Counter
from dataclasses import replace
from threading import Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from defectory.datasets.decisions import Decisions, list_decisions, now, write_decisions
from defectory.datasets.folds import fold_by_group, write_folds
from defectory.datasets.manifest import content_hash, read_manifest, write_dataset
from defectory.datasets.manifest_line import ManifestLine, Origin
from defectory.errors import Corrupted, FailedPrecondition, InvalidInput
from defectory.storage import ObjectStore, open_store
from defectory.storage.memory import MemoryStore
from orchestrator.cli.main import app
from tests.contract.datasets import make_dataset


@pytest.fixture
def store() -> ObjectStore:
    return MemoryStore()


def decided(store: ObjectStore, lines: list[ManifestLine], kind: str, values: dict[str, str], **fields: str) -> str:
    given = {"by": "Ada", "dataset": "parts", "content_hash": content_hash(lines), "created_utc": now(), **fields}
    return write_decisions(store, Decisions.model_validate({"kind": kind, "values": values, **given}))


def test_a_document_stands_for_the_lines_with_its_decisions_and_those_it_replaces(store: ObjectStore) -> None:
    lines = read_manifest(store, make_dataset(store))
    first, second = lines[0].file.sha256, lines[1].file.sha256
    split = decided(store, lines, "split", {first: "test", second: "none"}, by="defectory 1")
    label = decided(store, lines, "label", {first: "scratch"}, replaces=split)
    review = decided(store, lines, "review", {first: "rejected", second: "accepted"}, replaces=label)
    again = decided(store, lines, "review", {first: "accepted"}, replaces=review, by="Grace")
    seen = read_manifest(store, again)
    assert (seen[0].split, seen[0].label) == ("test", "scratch")
    assert (seen[0].judgement.verdict, seen[0].judgement.reviewer) == ("accepted", "Grace")
    assert (seen[1].split, seen[1].judgement.verdict, seen[1].judgement.reviewer) == ("none", "accepted", "Ada")
    assert seen[2:] == lines[2:]
    before = read_manifest(store, review)
    assert (before[0].judgement.verdict, before[0].judgement.reviewer) == ("rejected", "Ada")
    assert read_manifest(store, store.uri("datasets/parts/manifest.jsonl")) == lines
    assert [uri for uri, _ in list_decisions(store, "parts")] == [split, label, review, again]


def test_of_many_writers_each_has_a_number_of_its_own(tmp_path) -> None:
    store = open_store(f"file://{tmp_path}/store")
    lines = read_manifest(store, make_dataset(store))
    uris: list[str] = []
    threads = [
        Thread(target=lambda n=n: uris.append(decided(store, lines, "label", {"0" * 64: f"l{n}"}))) for n in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    written = [document.values["0" * 64] for _, document in list_decisions(store, "parts")]
    assert len(set(uris)) == 12
    assert sorted(written) == sorted(f"l{n}" for n in range(12)), "none replaced another"


def test_what_was_decided_about_another_content_is_refused(store: ObjectStore) -> None:
    lines = read_manifest(store, make_dataset(store))
    uri = decided(store, lines, "label", {lines[0].file.sha256: "scratch"})
    write_dataset(store, "parts", [replace(lines[0], group="other"), *lines[1:]], {})
    with pytest.raises(FailedPrecondition, match="'parts' has changed since"):
        read_manifest(store, uri)


@pytest.mark.parametrize(("kind", "value"), [("split", "holdout"), ("verdict", "maybe"), ("review", ""), ("label", "")])
def test_a_value_that_is_none_of_its_kind_is_refused(store: ObjectStore, kind: str, value: str) -> None:
    lines = read_manifest(store, make_dataset(store))
    with pytest.raises(InvalidInput, match=f"is no {kind}"):
        decided(store, lines, kind, {lines[0].file.sha256: value})


def test_a_document_that_is_broken_or_about_another_dataset_is_refused(store: ObjectStore) -> None:
    lines = read_manifest(store, make_dataset(store))
    other = read_manifest(store, make_dataset(store, "other", seed=1))
    key = "datasets/parts/decisions/000009.json"
    store.put(key, b"{}")
    with pytest.raises(Corrupted, match="no document of decisions"):
        read_manifest(store, store.uri(key))
    of_other = decided(store, other, "label", {}, dataset="other")
    with pytest.raises(Corrupted, match="about another dataset, other"):
        read_manifest(store, decided(store, lines, "label", {}, replaces=of_other))
    store.put("datasets/parts/decisions/000010.json", store.get(store.key(of_other)))
    with pytest.raises(Corrupted, match="about another dataset, other"):
        read_manifest(store, store.uri("datasets/parts/decisions/000010.json"))


@settings(max_examples=200, deadline=None)
@given(
    st.integers(3, 6).flatmap(
        lambda folds: st.tuples(
            st.just(folds),
            st.dictionaries(
                st.text("ab", min_size=1, max_size=1), st.lists(st.integers(1, 6), min_size=folds, max_size=20),
                min_size=1,
            ),
            st.integers(0, 1000),
        )
    )
)  # fmt: skip
def test_no_group_is_in_two_folds_and_every_fold_has_every_label(drawn: tuple[int, dict[str, list[int]], int]) -> None:
    folds, sizes, seed = drawn
    images = [(label, f"{label}{i}") for label, parts in sizes.items() for i, n in enumerate(parts) for _ in range(n)]
    labels, groups = zip(*images, strict=True)
    fold = fold_by_group(labels, groups, folds, seed)
    assert fold == fold_by_group(labels, groups, folds, seed)
    assert len({(group, one) for group, one in zip(groups, fold, strict=True)}) == len(set(groups))
    for label, parts in sizes.items():
        counts = Counter(one for one, own in zip(fold, labels, strict=True) if own == label)
        assert len(counts) == folds
        assert max(counts.values()) - min(counts.values()) <= max(parts), "as even as whole groups permit"


def test_every_part_is_tested_once_and_nothing_is_stored_again(store: ObjectStore) -> None:
    lines = read_manifest(store, make_dataset(store, each=10))
    copy = replace(lines[0], file=replace(lines[0].file, sha256="0" * 64), origin=Origin(augmentation="mirror-x"))
    write_dataset(store, "parts", [*lines, copy], {})
    before = {info.key for info in store.list()}
    uris = write_folds(store, "parts", [*lines, copy], 5, seed=3)
    new = {info.key for info in store.list()} - before
    assert new == {f"datasets/parts/decisions/{n:06d}.json" for n in range(1, 6)}
    views = [read_manifest(store, uri) for uri in uris]
    tested = Counter(line.group for view in views for line in view[:-1] if line.split == "test")
    assert tested == Counter({line.group: 1 for line in lines})
    for view in views:
        assert Counter((line.label, line.split) for line in view[:-1]) == {
            (label, split): n
            for label in ("good", "defect")
            for split, n in (("train", 6), ("validation", 2), ("test", 2))
        }
        assert view[-1].split == ("test" if view[0].split == "test" else "none")
    assert write_folds(store, "parts", [*lines, copy], 5, seed=3) == uris, "what says the same is there already"
    assert len(write_folds(store, "parts", [*lines, copy], 5, seed=4)) == 5
    assert len(list_decisions(store, "parts")) == 10


@pytest.mark.parametrize(("folds", "said"), [(2, "2 folds"), (51, "51 folds"), (11, "too few for 11 folds")])
def test_more_folds_than_parts_are_refused(store: ObjectStore, folds: int, said: str) -> None:
    lines = read_manifest(store, make_dataset(store, each=10))
    with pytest.raises(InvalidInput, match=said):
        write_folds(store, "parts", lines, folds)


def test_the_commands_make_and_list_them(tmp_path) -> None:
    store = open_store(f"file://{tmp_path}/store")
    make_dataset(store)
    given = ["--store", store.url, "--json"]
    done = CliRunner().invoke(app, ["dataset", "fold", "parts", "--folds", "4", "--seed", "2", *given])
    assert done.exit_code == 0, done.output
    uris = json.loads(done.stdout)["folds"]
    rows = json.loads(CliRunner().invoke(app, ["dataset", "decisions", "parts", *given]).stdout)["decisions"]
    assert [row["uri"] for row in rows] == uris
    assert {(row["kind"], row["images"], row["settings"]["seed"]) for row in rows} == {("split", 24, 2)}
    assert rows[0]["title"] == "fold 1 of 4"
    shown = CliRunner().invoke(app, ["dataset", "show", uris[0], *given])
    assert json.loads(shown.stdout)["parts"] == 24
