"""Advice before a run: it can be typed, and it is never what is so already."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

from defectory.datasets.layouts.mask_file import MaskFile
from defectory.datasets.layouts.source import Source
from defectory.storage import open_store
from orchestrator.pipeline import checks
from orchestrator.pipeline.assignments import assigned
from orchestrator.pipeline.data_steps import recognised
from orchestrator.pipeline.durations import expected_counts
from orchestrator.pipeline.presets import preset
from orchestrator.pipeline.settings import merged, resolve

SIDES_PX = (8, 30, 80, 400)
ARMS = st.tuples(
    st.sampled_from(["baseline", "balanced", "augmented"]),
    st.sets(st.sampled_from(["edited", "expanded", "defects"]), min_size=1),
)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Source]:
    """Side in px -> a folder of such photographs."""
    sources = {}
    for side in SIDES_PX:
        root = tmp_path_factory.mktemp(f"of-{side}")
        for label in ("good", "defect"):
            (root / label).mkdir()
            for number in range(3):
                Image.fromarray(np.full((side, side), 50 + number, np.uint8)).save(root / label / f"{number}.png")
        sources[side] = recognised(resolve({"name": "x", "data": {"directory": str(root)}}, preset("quick")).data)
    return sources


def plain(values: Mapping[str, object], path: str) -> object:
    """The value at "section.setting"."""
    value: object = values
    for name in path.split("."):
        assert isinstance(value, Mapping)
        value = value[name]
    return value


@settings(max_examples=100, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(
    counts=st.fixed_dictionaries({"good": st.integers(3, 120), "defect": st.integers(3, 120)}),
    side=st.sampled_from(SIDES_PX),
    masked=st.booleans(),
    arms=ARMS,
    resolution_px=st.sampled_from([8, 16, 32, 64, 1024]),
    view=st.sampled_from(["part", "defect"]),
    validation_share=st.sampled_from([0.1, 0.15, 0.28, 0.3, 0.45]),
    micro_batch=st.sampled_from([0, 2, 8]),
    at_once=st.sampled_from([0, 1, 2]),
    input_px=st.sampled_from([32, 96, 224]),
    augment=st.sampled_from([0.0, 0.5]),
    edits=st.sampled_from([0, 9]),
    gib=st.sampled_from([0.5, 3.0, 64.0]),
)
def test_no_concern_advises_what_is_so_already_nor_one_thing_and_its_opposite(  # type: ignore[no-untyped-def]
    photographs, tmp_path_factory, counts, side, masked, arms, resolution_px, view, validation_share, micro_batch,
    at_once, input_px, augment, edits, gib,
) -> None:  # fmt: skip
    source: Source = photographs[side]
    if masked:
        source = replace(source, files=tuple(replace(x, masks=(MaskFile("mask.png"),)) for x in source.files))
    first, others = arms
    names = [first, *sorted(others - (set() if edits else {"edited"}))]
    if len(names) < 2:
        names.append("expanded")
    values = {
        "name": "x",
        "data": {"directory": "/photographs", "validation_share": validation_share},
        "generator": {"resolution_px": resolution_px, "view": view, "micro_batch": micro_batch},
        "classifier": {"at_once": at_once, "input_px": input_px, "augment": augment},
        "edits": {"count": edits},
        "arms": names,
    }
    chosen = resolve(values, preset("quick"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checks, "available_memory", lambda: int(gib * checks.GIB))
        store = open_store(f"file://{Path(photographs[side].root)}/store")
        said = checks.concerns(store, chosen, source, expected_counts(counts, chosen), "starter")
    text = "\n".join(concern.text for concern in said)
    now = chosen.model_dump(mode="json") | {"arms": names}

    for quoted in re.findall(r"--set ('[^']+'|\S+?)(?=[\s,;:)]|$)", text):
        (typed,) = shlex.split(quoted)
        path, _, _ = typed.partition("=")
        advised = assigned([typed])
        assert plain(advised, path) != plain(now, path), text
        if path != "arms":  # whose pictures are set beside it
            resolve(merged(values, advised), preset("quick"))
    for quoted in re.findall(r"--set ('arms=[^']+')(?: --set (edits\.count=\d+))?", text):
        advised = assigned([*shlex.split(quoted[0]), *filter(None, quoted[1:])])
        assert {arm.name for arm in resolve(merged(values, advised), preset("quick")).arms} > set(names)
    for share in re.findall(r"--validation-share ([\d.]+)", text):
        assert float(share) != validation_share
    if "view to part" in text:
        assert view == "defect"
        assert "view=defect" not in text
    if "view=defect" in text:
        assert masked
    finer = [int(px) for px in re.findall(r"generator\.resolution_px=(\d+)", text)]
    assert len({px > resolution_px for px in finer}) <= 1
