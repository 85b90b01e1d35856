"""Properties of splits, manifests and tables, whatever they are given."""

import string
from collections import defaultdict
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from defectory.datasets.layouts.table import read_groups
from defectory.datasets.manifest import content_hash, dump_lines, parse_lines
from defectory.datasets.manifest_line import (
    Edit,
    Judgement,
    ManifestLine,
    MaskFile,
    Origin,
    PictureFile,
    Synthesis,
)
from defectory.datasets.splits import SPLIT_NAMES, split_by_group
from defectory.errors import InvalidInput

members = st.lists(
    st.tuples(st.sampled_from(["good", "bent", "cut"]), st.integers(0, 30).map(lambda n: f"g{n}")),
    min_size=1, max_size=120,
)  # fmt: skip
text = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=20)
hashes = st.text("0123456789abcdef", min_size=64, max_size=64)
texts = st.lists(text, max_size=3).map(tuple)
files = st.builds(PictureFile, uri=text, sha256=hashes, width=st.integers(1, 4096), height=st.integers(1, 4096))
edits = st.builds(Edit, recipe=st.none() | st.dictionaries(text, text, max_size=3), editor=text, person=text)
lines = st.builds(
    ManifestLine,
    file=files, label=text.filter(bool), split=st.sampled_from(["train", "validation", "test", "none"]), group=text,
    kinds=texts, mask=st.none() | st.builds(MaskFile, uri=text, sha256=hashes),
    origin=st.builds(
        Origin, kind=st.sampled_from(["real", "edited", "synthetic"]), parents=texts, source=text,
        edit=st.none() | edits,
    ),
    synthesis=st.none() | st.builds(
        Synthesis, seed=st.none() | st.integers(0, 2**63), truncation_psi=st.none() | st.floats(0, 2), noise_mode=text
    ),
    judgement=st.builds(
        Judgement, scores=st.none() | st.dictionaries(text, st.floats(0, 1), max_size=3), reasons=texts, reviewer=text
    ),
)  # fmt: skip


@given(members, st.integers(0, 2**32))
@settings(deadline=None)
def test_no_group_straddles_two_splits_and_the_order_of_images_does_not_matter(
    images: list[tuple[str, str]], seed: int
) -> None:
    labels, groups = [label for label, _ in images], [group for _, group in images]
    split = split_by_group(labels, groups, seed=seed)
    homes = defaultdict(set)
    for group, home in zip(groups, split, strict=True):
        homes[group].add(home)
    assert all(len(home) == 1 for home in homes.values())
    assert set(split) <= set(SPLIT_NAMES)
    backwards = split_by_group(labels[::-1], groups[::-1], seed=seed)
    assert backwards[::-1] == split


@given(st.integers(3, 40), st.integers(3, 40), st.integers(0, 2**32))
@settings(deadline=None)
def test_every_label_with_three_groups_of_its_own_is_in_every_split(good: int, bad: int, seed: int) -> None:
    labels = ["good"] * good + ["bad"] * bad
    split = split_by_group(labels, [f"g{n}" for n in range(good + bad)], seed=seed)
    for label in ("good", "bad"):
        assert {s for s, given_label in zip(split, labels, strict=True) if given_label == label} == set(SPLIT_NAMES)


@given(st.lists(lines, max_size=8))
@settings(deadline=None)
def test_a_manifest_is_read_as_it_was_written(written: list[ManifestLine]) -> None:
    assert parse_lines(dump_lines(written)) == written
    assert content_hash(written) == content_hash(written[::-1])


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_no_bytes_at_all_make_the_manifest_reader_fall(data: bytes) -> None:
    with suppress(InvalidInput):
        assert all(isinstance(line, ManifestLine) for line in parse_lines(data))


@given(st.text(string.printable, max_size=200))
@settings(deadline=None)
def test_no_text_at_all_makes_the_reader_of_groups_fall(table: str) -> None:
    with suppress(InvalidInput):
        assert all(read_groups(table, "groups.csv").values())
