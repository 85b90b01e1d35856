"""One preprocessing: a photograph is seen alike ingested and trained, served, explained and measured offline."""

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import grpc
import numpy as np
import pytest
import tifffile
from PIL import Image

from bench.bundle import put_classifier
from defectory.api.classifier.v1 import classifier_pb2, classifier_pb2_grpc
from defectory.api.explainer.v1 import explainer_pb2, explainer_pb2_grpc
from defectory.datasets.ingest import ingest
from defectory.datasets.manifest import read_manifest
from defectory.datasets.manifest_line import ManifestLine, Origin, Synthesis
from defectory.imaging import decode, network_input, network_input_of
from defectory.storage import ObjectStore, open_store
from services.classifier.card import Preprocessing
from services.classifier.cards import read_card, write_card
from services.classifier.data import load_images
from services.explainer.explanation import Explainer
from tests.contract import pictures
from tests.contract.running import Service
from tests.patience import PATIENT_S

FITS = ("stretch", "crop", "pad")
SQUARE, SIZE = 64, 48  # px: of a generator's images, and of the network's input


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a factory has it: no photograph is square, JPEGs are large enough to be decoded smaller."""
    root = tmp_path_factory.mktemp("photographs")
    for place, label in enumerate(("good", "scratch")):
        (root / label).mkdir()
        for number in range(3):
            seed = 10 * place + number
            wide, high = pictures.pixels(300, 160, seed), pictures.pixels(150, 420, seed)
            grey = Image.fromarray(wide).convert("L")
            files = {
                f"{number}.png": pictures.encoded(wide),
                f"{number}.jpg": pictures.encoded(high, "JPEG", quality=90),
                f"{number}-turned.jpg": pictures.rotated(pictures.pixels(330, 170, seed)),
                f"{number}-grey.bmp": pictures.encoded(np.asarray(grey), "BMP", "L"),
                f"{number}-16.png": wide_grey(np.asarray(grey)),
            }
            for name, data in files.items():
                (root / label / name).write_bytes(data)
    return root


def wide_grey(array: np.ndarray) -> bytes:
    """A 16-bit PNG."""
    buffer = io.BytesIO()
    Image.fromarray(array.astype(np.uint16) * 251).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, photographs: Path) -> ObjectStore:
    store = open_store(f"file://{tmp_path_factory.mktemp('preprocessing')}/store")
    plain = put_classifier(store, "plain", input_px=SIZE)
    for fit in FITS:
        ingest(photographs, store, fit, fit=fit)
        card = plain.model_copy(update={"name": fit, "preprocessing": Preprocessing.of(lines_of(store, fit), SIZE)})
        store.put(card.prefix + card.weights.file, store.get(plain.prefix + plain.weights.file))
        write_card(store, card)
    return store


def lines_of(store: ObjectStore, fit: str) -> list[ManifestLine]:
    return read_manifest(store, store.uri(f"datasets/{fit}/manifest.jsonl"))


@pytest.fixture(scope="module")
def classifier(store: ObjectStore) -> Iterator[Service]:
    with Service("services.classifier", store.url, "--poll-s", "0") as running:
        yield running


@pytest.fixture(scope="module")
def explainer(store: ObjectStore) -> Iterator[Service]:
    with Service("services.explainer", store.url) as running:
        yield running


@pytest.mark.parametrize("fit", FITS)
def test_photographs_are_seen_as_their_ingested_images_were_trained_on(
    fit: str, store: ObjectStore, photographs: Path
) -> None:
    lines = lines_of(store, fit)
    preprocessing = Preprocessing.of(lines, SIZE)
    assert (preprocessing.square_px, preprocessing.fit) == (SIZE, fit)
    trained = load_images(store, lines, SIZE, preprocessing)
    assert (len(lines), trained.skipped) == (30, [])
    files = [(photographs / line.origin.source).read_bytes() for line in trained.lines]
    np.testing.assert_array_equal(np.stack([preprocessing.input_of(data, SIZE) for data in files]), trained.pixels)


def test_the_fits_are_told_apart(store: ObjectStore, photographs: Path) -> None:
    data = (photographs / "good/0.jpg").read_bytes()
    seen = [Preprocessing(square_px=SQUARE, fit=fit).input_of(data, SIZE).astype(int) for fit in FITS]
    assert min(np.abs(a - b).mean() for a, b in ((seen[0], seen[1]), (seen[0], seen[2]), (seen[1], seen[2]))) > 5


def test_what_is_explained_of_a_jpeg_was_decoded_at_the_scale_that_is_served(store: ObjectStore) -> None:
    content = pictures.good()["jpeg"]
    seen = Explainer(store, "plain").read(content).pixels
    np.testing.assert_array_equal(seen, network_input_of(content, SIZE))
    assert (seen != network_input(decode(content), SIZE)).any()


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("name", ["good/0.png", "scratch/1.jpg", "scratch/2-turned.jpg"])
def test_a_photograph_is_answered_as_its_ingested_image(
    fit: str, name: str, store: ObjectStore, photographs: Path, classifier: Service
) -> None:
    classify = classifier_pb2_grpc.ClassifierServiceStub(classifier.channel).Classify
    answers = [
        classify(classifier_pb2.ClassifyRequest(model=fit, images=[source]), timeout=PATIENT_S).classifications[0]
        for source in sources(store, photographs, fit, name)
    ]
    assert answers[0] == answers[1]


def sources(store: ObjectStore, photographs: Path, fit: str, name: str) -> list[classifier_pb2.ImageSource]:
    """A photograph, and what ingest made of it."""
    (uri,) = [line.file.uri for line in lines_of(store, fit) if line.origin.source == name]
    return [
        classifier_pb2.ImageSource(content=(photographs / name).read_bytes()), classifier_pb2.ImageSource(uri=uri)
    ]  # fmt: skip


def test_a_photograph_is_explained_as_its_ingested_image_and_shown_whole(
    store: ObjectStore, photographs: Path, classifier: Service, explainer: Service
) -> None:
    explain = explainer_pb2_grpc.ExplainerServiceStub(explainer.channel).Explain
    both = sources(store, photographs, "pad", "scratch/2-turned.jpg")
    reasons = [explain(explainer_pb2.ExplainRequest(model="pad", image=source), timeout=PATIENT_S) for source in both]
    assert reasons[0].probabilities == reasons[1].probabilities
    assert [Image.open(io.BytesIO(explanation.heatmap)).size for explanation in reasons] == [(330, 170)] * 2
    classify = classifier_pb2_grpc.ClassifierServiceStub(classifier.channel).Classify
    request = classifier_pb2.ClassifyRequest(model="pad", images=both[:1])
    answer = classify(request, timeout=PATIENT_S).classifications[0]
    assert dict(reasons[0].probabilities) == pytest.approx(dict(answer.probabilities), abs=2e-5)


@pytest.fixture(scope="module")
def deep(store: ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs of a camera of 12 bits, in 16-bit files of several kinds, ingested and with a classifier."""
    root = tmp_path_factory.mktemp("deep")
    for place, label in enumerate(("good", "scratch")):
        (root / label).mkdir()
        for number in range(3):
            values = pictures.pixels(90, 70, 10 * place + number).astype(np.uint16) * 16 + 15
            Image.fromarray(values[..., 0]).save(root / label / f"{number}.png")
            tifffile.imwrite(root / label / f"{number}-colour.tif", values, photometric="rgb", compression="zlib")
            tifffile.imwrite(root / label / f"{number}-white.tif", 4095 - values[..., 1], photometric="miniswhite")
    ingest(root, store, "deep")
    plain = read_card(store, "plain")
    card = plain.model_copy(update={"name": "deep", "preprocessing": Preprocessing.of(lines_of(store, "deep"), SIZE)})
    store.put(card.prefix + card.weights.file, store.get(plain.prefix + plain.weights.file))
    write_card(store, card)
    return root


def test_bits_in_use_are_the_same_trained_served_and_explained(
    deep: Path, store: ObjectStore, classifier: Service, explainer: Service
) -> None:
    lines = lines_of(store, "deep")
    preprocessing = Preprocessing.of(lines, SIZE)
    assert (len(lines), preprocessing.bits) == (18, 12)
    trained = load_images(store, lines, SIZE, preprocessing)
    files = [(deep / line.origin.source).read_bytes() for line in trained.lines]
    np.testing.assert_array_equal(np.stack([preprocessing.input_of(data, SIZE) for data in files]), trained.pixels)
    classify = classifier_pb2_grpc.ClassifierServiceStub(classifier.channel).Classify
    explain = explainer_pb2_grpc.ExplainerServiceStub(explainer.channel).Explain
    seen = Explainer(store, "deep")
    for name in ("good/1.png", "scratch/2-colour.tif", "good/0-white.tif"):
        both = sources(store, deep, "deep", name)
        answers = [
            classify(classifier_pb2.ClassifyRequest(model="deep", images=[one]), timeout=60).classifications[0]
            for one in both
        ]
        assert answers[0] == answers[1]
        reasons = [explain(explainer_pb2.ExplainRequest(model="deep", image=one), timeout=60) for one in both]
        assert reasons[0].probabilities == reasons[1].probabilities
        # People see the picture as bright as it is: 12 bits of 16 would be nearly black.
        assert seen.read((deep / name).read_bytes()).shown.max() > 200
    full = io.BytesIO()
    Image.fromarray(np.full((70, 90), 5000, np.uint16)).save(full, "PNG")
    for model, refused in (("deep", True), ("plain", False)):
        request = classifier_pb2.ClassifyRequest(
            model=model, images=[classifier_pb2.ImageSource(content=full.getvalue())]
        )
        if refused:
            with pytest.raises(grpc.RpcError, match="pixels up to 5000, and 12 bits hold 4095"):
                classify(request, timeout=60)
        else:
            assert classify(request, timeout=60).classifications


def test_a_dataset_that_was_not_fitted_alike_leaves_images_as_they_are(store: ObjectStore) -> None:
    mixed = [*lines_of(store, "pad"), *lines_of(store, "crop")]
    unknown = [replace(line, file=replace(line.file, fit="")) for line in mixed[:1]]
    for lines in (mixed, unknown, []):
        assert Preprocessing.of(lines, SIZE) == Preprocessing()


def test_beside_synthetic_images_photographs_keep_no_finer_detail_than_those(store: ObjectStore) -> None:
    real = lines_of(store, "pad")
    drawn = replace(
        real[0],
        file=replace(real[0].file, fit="", width=SQUARE, height=SQUARE),
        origin=Origin(kind="synthetic"),
        synthesis=Synthesis(),
    )
    assert Preprocessing.of([*real, drawn], 224) == Preprocessing(square_px=SQUARE, fit="pad")
    restored = replace(
        drawn, file=replace(drawn.file, width=300, height=160), synthesis=Synthesis(resolution_px=SQUARE)
    )
    assert Preprocessing.of([*real, restored], 224) == Preprocessing(square_px=SQUARE, fit="pad")
    assert Preprocessing.of(real, 224) == Preprocessing(square_px=224, fit="pad")


def test_images_that_an_earlier_ingest_made_square_are_seen_as_they_were(store: ObjectStore) -> None:
    old = [
        replace(
            line,
            file=replace(line.file, width=SQUARE, height=SQUARE),
            origin=replace(line.origin, square_px=SQUARE),
        )
        for line in lines_of(store, "crop")
    ]
    assert Preprocessing.of(old, SIZE) == Preprocessing(square_px=SQUARE, fit="crop")
