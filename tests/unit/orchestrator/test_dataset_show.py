"""What `defectory dataset show` says of a dataset is what is stored."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from defectory.storage import open_store
from orchestrator.cli.main import app


def photographs(folder: Path, ending: str, largest: int) -> None:
    """Twelve good parts and six bad ones, of values up to the largest."""
    random = np.random.default_rng(0)
    for label, count in (("good", 12), ("bad", 6)):
        (folder / label).mkdir(parents=True)
        for number in range(count):
            values = random.integers(0, largest + 1, (64, 64))
            values[0, 0] = largest
            depth = np.uint8 if largest < 256 else np.uint16
            Image.fromarray(values.astype(depth)).save(folder / label / f"{number}.{ending}")


@pytest.mark.parametrize(("ending", "largest", "bits"), [("jpg", 255, 8), ("png", 4095, 12), ("png", 65535, 16)])
def test_bits_are_those_of_the_stored_values(tmp_path: Path, ending: str, largest: int, bits: int) -> None:
    photographs(tmp_path / "photos", ending, largest)
    store = f"file://{tmp_path}/store"
    for arguments in (["ingest", f"{tmp_path}/photos", "--name", "parts"], ["dataset", "show", "parts"]):
        done = CliRunner().invoke(app, [*arguments, "--store", store, "--json"], catch_exceptions=False)
    assert json.loads(done.stdout)["bits"] == bits


@pytest.mark.parametrize(("recorded", "shown"), [(12, 12), (16, None)])
def test_a_card_of_before_says_what_it_knows(tmp_path: Path, recorded: int, shown: int | None) -> None:
    photographs(tmp_path / "photos", "jpg", 255)
    url = f"file://{tmp_path}/store"
    CliRunner().invoke(app, ["ingest", f"{tmp_path}/photos", "--name", "parts", "--store", url], catch_exceptions=False)
    store = open_store(url)
    card = json.loads(store.get("datasets/parts/dataset.json"))
    del card["deep"]
    store.put("datasets/parts/dataset.json", json.dumps({**card, "bits": recorded}).encode())
    done = CliRunner().invoke(app, ["dataset", "show", "parts", "--store", url, "--json"], catch_exceptions=False)
    assert json.loads(done.stdout)["bits"] == shown


def test_it_is_shown_in_words_not_in_keys(tmp_path: Path) -> None:
    photographs(tmp_path / "photos", "jpg", 255)
    url = f"file://{tmp_path}/store"
    CliRunner().invoke(app, ["ingest", f"{tmp_path}/photos", "--name", "parts", "--store", url], catch_exceptions=False)
    said = CliRunner().invoke(app, ["dataset", "show", "parts", "--store", url], catch_exceptions=False).stdout
    assert "images     18, of 18 parts" in said
    assert "labels     bad 6, good 12 -> defect, good" in said
    assert "divided    70% to train, 15% to validate, 15% to test, parts whole, seed 0" in said
    assert "pictures   grey, 8 bits (of the pictures; how a model reads them is in its card)" in said
    rows = [line.split() for line in said.splitlines() if line.startswith(("train", "validation", "test"))]
    assert [sum(map(int, column)) for column in zip(*(row[1:] for row in rows), strict=True)] == [6, 12]
    assert "good and defective" not in said
    assert not {word for word in said.split() if "_" in word and "/" not in word}  # no key, such as label_mode


def test_parts_are_counted_beside_images_and_mixed_ones_are_named(tmp_path: Path) -> None:
    """Part p3 is good from one side and bad from the other; each other pair of photographs shows one part."""
    photographs(tmp_path / "photos", "jpg", 255)
    rows = [f"good/{n}.jpg,p{n // 2}" for n in range(12)] + [f"bad/{n}.jpg,{f'q{n}' if n else 'p3'}" for n in range(6)]
    (tmp_path / "parts.csv").write_text("\n".join(["image,group", *rows]))
    store = ["--store", f"file://{tmp_path}/store"]
    ingest = ["ingest", f"{tmp_path}/photos", "--name", "parts", "--groups", f"{tmp_path}/parts.csv", *store]
    ingested = CliRunner().invoke(app, ingest, catch_exceptions=False)
    said = CliRunner().invoke(app, ["dataset", "show", "parts", *store], catch_exceptions=False).stdout
    shown = CliRunner().invoke(app, ["dataset", "show", "parts", *store, "--json"], catch_exceptions=False).stdout
    sentence = (
        "1 part has good and defective photographs (p3): that is right where a part was photographed from several"
    )
    assert (ingested.stderr.count(sentence), said.count(sentence)) == (1, 1)
    assert "where the groups that were given are no parts but, say, batches or days" in said
    by_split = json.loads(shown)["parts_by_split"]
    assert {label: sum(of.get(label, 0) for of in by_split.values()) for label in ("good", "defect")} == {
        "good": 6,
        "defect": 6,
    }
    good = next(line for line in said.splitlines() if line.startswith("train")).split("  ")[-1].strip()
    assert good == f"{2 * by_split['train']['good']}, of {by_split['train']['good']} parts"
