"""Export, import of an export, films, mixtures and projections over a real channel."""

import hashlib
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from defectory.api.generator.v1 import generator_pb2 as pb
from defectory.api.generator.v1 import generator_pb2_grpc
from defectory.datasets.manifest import read_manifest
from defectory.errors import DefectoryError, InvalidInput, NotFound, Refused
from defectory.imaging import decode
from defectory.serving.operations.client import wait_for
from defectory.storage import ObjectStore, open_store
from defectory.storage.references import read_json
from tests.contract.generator.generator_requests import refusal
from tests.contract.running import Service
from tests.patience import PATIENT_S
from tests.unit.generator.generator_samples import write_generator, write_images


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ObjectStore:
    store = open_store(f"file://{tmp_path_factory.mktemp('tools')}/store")
    write_generator(store)
    write_generator(store, "kinds", classes=("bent", "cut"))
    write_generator(store, "clear", channels=4)
    return store


@pytest.fixture(scope="module")
def service(store: ObjectStore) -> Iterator[Service]:
    with Service("services.generator", store.url) as running:
        yield running


@pytest.fixture(scope="module")
def stub(service: Service) -> Any:
    return generator_pb2_grpc.GeneratorServiceStub(service.channel)


def file_of(store: ObjectStore, uri: str, sha256: str) -> bytes:
    data = store.get(store.key(uri))
    assert hashlib.sha256(data).hexdigest() == sha256
    return data


def test_an_exported_generator_is_imported_as_the_same(service: Service, stub: Any, store: ObjectStore) -> None:
    request = pb.ExportGeneratorRequest(request_id="out", model="tiny", format="safetensors")
    exported = wait_for(service.channel, stub.ExportGenerator(request), timeout_s=PATIENT_S)
    assert len(file_of(store, exported.file_uri, exported.sha256)) == exported.size_bytes
    back = pb.ImportGeneratorRequest(request_id="in", safetensors_uri=exported.file_uri, name="back")
    generator = wait_for(service.channel, stub.ImportGenerator(back), timeout_s=PATIENT_S).generator
    original = stub.GetGenerator(pb.GetGeneratorRequest(model="tiny")).generator
    assert (generator.weights_sha256, generator.label) == (original.weights_sha256, original.label)
    pictures = [stub.Preview(pb.PreviewRequest(model=model, seeds=[5])).images for model in ("tiny", "back")]
    assert pictures[0] == pictures[1]


def test_an_onnx_export_makes_the_previews_pictures(service: Service, stub: Any, store: ObjectStore) -> None:
    request = pb.ExportGeneratorRequest(request_id="onnx", model="tiny/1", format="onnx")
    exported = wait_for(service.channel, stub.ExportGenerator(request), timeout_s=PATIENT_S)
    session = onnxruntime.InferenceSession(
        file_of(store, exported.file_uri, exported.sha256), providers=["CPUExecutionProvider"]
    )
    z = np.random.RandomState(11).randn(1, 8).astype(np.float32)
    image = session.run(["image"], {"z": z, "truncation_psi": np.array(0.5, np.float32)})[0][0]
    shown = decode(stub.Preview(pb.PreviewRequest(model="tiny", seeds=[11], truncation_psi=0.5)).images[0])
    pixels = np.clip(np.floor(image.transpose(1, 2, 0) * 127.5 + 128), 0, 255)
    assert np.abs(pixels - np.asarray(shown)).max() <= 1
    assert exported.grey_levels_off <= 1


def test_a_changed_export_is_refused(service: Service, stub: Any, store: ObjectStore) -> None:
    request = pb.ExportGeneratorRequest(request_id="cut", model="tiny", format="safetensors")
    exported = wait_for(service.channel, stub.ExportGenerator(request), timeout_s=PATIENT_S)
    data = bytearray(store.get(store.key(exported.file_uri)))
    data[-1] ^= 1
    store.put("imports/changed.safetensors", bytes(data))
    uri = store.uri("imports/changed.safetensors")
    started = stub.ImportGenerator(pb.ImportGeneratorRequest(request_id="changed", safetensors_uri=uri, name="changed"))
    with pytest.raises(InvalidInput, match="its card says"):
        wait_for(service.channel, started, timeout_s=PATIENT_S)


@pytest.mark.parametrize("model", ["tiny", "clear"])
@pytest.mark.parametrize("form", ["webp", "mp4"])
def test_a_film(service: Service, stub: Any, store: ObjectStore, form: str, model: str) -> None:
    request = pb.InterpolateRequest(
        request_id=f"{model}-{form}", model=model, seeds=[0, 1, 2], frames=6, loop=True, format=form
    )
    seen = []
    response = wait_for(service.channel, stub.Interpolate(request), seen.append, timeout_s=PATIENT_S)
    data = file_of(store, response.file_uri, response.sha256)
    assert response.frames == 6
    assert {progress.unit for progress in seen if progress.unit} <= {"frames"}
    if form == "webp":
        with Image.open(io.BytesIO(data)) as film:
            assert (film.n_frames, film.size) == (6, (16, 16))
            assert (film.mode == "RGBA") == (model == "clear")
    else:
        assert data[4:8] == b"ftyp"


def test_pictures_mixtures_and_projections_keep_transparency(service: Service, stub: Any, store: ObjectStore) -> None:
    own = stub.Preview(pb.PreviewRequest(model="clear", seeds=[6])).images[0]
    shown = np.asarray(decode(own, keep_alpha=True))
    assert shown.shape == (16, 16, 4)
    request = pb.MixStylesRequest(request_id="clear-mix", model="clear", rows=[0], columns=[6], styles=[0])
    mixture = wait_for(service.channel, stub.MixStyles(request), timeout_s=PATIENT_S)
    grid = np.asarray(decode(store.get(store.key(mixture.sheet_uri)), keep_alpha=True))
    np.testing.assert_array_equal(grid[:16, 16:], shown)
    store.put("imports/clear.png", own)
    request = pb.ProjectImageRequest(
        request_id="clear-project", model="clear", image_uri=store.uri("imports/clear.png"), steps=10, compared=1
    )
    projection = wait_for(service.channel, stub.ProjectImage(request), timeout_s=PATIENT_S)
    assert decode(store.get(store.key(projection.picture_uri)), keep_alpha=True).mode == "RGBA"


def test_a_grid_of_mixtures(service: Service, stub: Any, store: ObjectStore) -> None:
    request = pb.MixStylesRequest(request_id="mix", model="tiny", rows=[0, 1], columns=[5, 6, 7], styles=[0, 1])
    mixture = wait_for(service.channel, stub.MixStyles(request), timeout_s=PATIENT_S)
    grid = np.asarray(decode(store.get(store.key(mixture.sheet_uri))))
    assert mixture.count == 6
    assert grid.shape == (3 * 16, 4 * 16, 3)
    shown = decode(stub.Preview(pb.PreviewRequest(model="tiny", seeds=[6])).images[0])
    np.testing.assert_array_equal(grid[:16, 2 * 16 : 3 * 16], np.asarray(shown))


def test_films_and_mixtures_in_half_precision(service: Service, stub: Any, store: ObjectStore) -> None:
    shown = stub.Preview(pb.PreviewRequest(model="tiny", seeds=[6], precision="bf16", half_resolutions=1)).images[0]
    request = pb.MixStylesRequest(
        request_id="half", model="tiny", rows=[0], columns=[6], styles=[0], precision="bf16", half_resolutions=1
    )
    mixture = wait_for(service.channel, stub.MixStyles(request), timeout_s=PATIENT_S)
    grid = np.asarray(decode(store.get(store.key(mixture.sheet_uri))))
    np.testing.assert_array_equal(grid[:16, 16:], np.asarray(decode(shown)))
    hashes = set()
    for precision, count in (("fp32", 0), ("bf16", 0), ("bf16", 1)):
        film = pb.InterpolateRequest(
            request_id=f"film-{precision}-{count}", model="tiny", seeds=[0, 1], frames=3, precision=precision,
            half_resolutions=count,
        )  # fmt: skip
        hashes.add(wait_for(service.channel, stub.Interpolate(film), timeout_s=PATIENT_S).sha256)
    assert len(hashes) == 3


def test_an_image_of_the_networks_own_is_found_better_than_another(
    service: Service, stub: Any, store: ObjectStore
) -> None:
    own = stub.Preview(pb.PreviewRequest(model="tiny", seeds=[9])).images[0]
    store.put("imports/own.png", own)
    uri = write_images(store, "foreign", [("defect", "validation")])
    foreign = read_json(store, uri)["file"]["uri"]
    projections = {}
    for name, image in (("own", store.uri("imports/own.png")), ("foreign", foreign)):
        request = pb.ProjectImageRequest(
            request_id=f"project-{name}", model="tiny", image_uri=image, steps=100, manifest_uri=uri
        )
        projections[name] = wait_for(service.channel, stub.ProjectImage(request), timeout_s=PATIENT_S)
    ratios = {name: response.metrics["unexplained_ratio"] for name, response in projections.items()}
    assert 3 * ratios["own"] < ratios["foreign"], projections
    assert projections["own"].metrics["psnr_db"] > projections["foreign"].metrics["psnr_db"] + 6
    assert not projections["own"].used_discriminator  # this model has no checkpoint
    picture = np.asarray(decode(store.get(store.key(projections["own"].picture_uri))))
    assert picture.shape == (5 * 16, 2 * 16, 3)  # itself, three of the network's own, the one that was held out
    held_out = {name: response.metrics["held_out_unexplained"] for name, response in projections.items()}
    assert held_out["own"] == pytest.approx(projections["foreign"].metrics["unexplained"], rel=0.2)
    np.testing.assert_array_equal(picture[:16, :16], np.asarray(decode(own)))
    with np.load(io.BytesIO(store.get(store.key(projections["own"].latents_uri)))) as latents:
        assert latents["w"].shape == (8,)
        assert latents["noise_0"].shape == (4, 4)


def shown(stub: Any, seed: int, label: str) -> np.ndarray:
    """The picture of a seed and class of the generator "kinds"."""
    request = pb.PreviewRequest(model="kinds", seeds=[seed], class_label=label)
    return np.asarray(decode(stub.Preview(request).images[0]))


def test_a_film_is_of_one_class_or_goes_from_class_to_class(service: Service, stub: Any) -> None:
    hashes = {}
    for number, labels in enumerate(([], ["bent", "cut"], ["cut"], ["cut", "cut"])):
        request = pb.InterpolateRequest(
            request_id=f"classes-{number}", model="kinds", seeds=[0, 1], frames=3, class_labels=labels
        )
        hashes[tuple(labels)] = wait_for(service.channel, stub.Interpolate(request), timeout_s=PATIENT_S).sha256
    assert hashes[()] == hashes["bent", "cut"]  # seed s is of class s modulo 2
    assert hashes["cut",] == hashes["cut", "cut"]
    assert hashes["cut",] != hashes[()]


@pytest.mark.parametrize(("labels", "row", "column"), [(["cut"], "cut", "cut"), (["bent", "cut"], "bent", "cut")])
def test_rows_and_columns_are_of_their_classes(
    service: Service, stub: Any, store: ObjectStore, labels: list[str], row: str, column: str
) -> None:
    request = pb.MixStylesRequest(
        request_id=f"mix-{len(labels)}", model="kinds", rows=[2], columns=[2], styles=[0, 1], class_labels=labels
    )
    mixture = wait_for(service.channel, stub.MixStyles(request), timeout_s=PATIENT_S)
    grid = np.asarray(decode(store.get(store.key(mixture.sheet_uri))))
    np.testing.assert_array_equal(grid[:16, 16:], shown(stub, 2, column))
    np.testing.assert_array_equal(grid[16:, :16], shown(stub, 2, row))
    assert np.array_equal(grid[16:, 16:], grid[:16, 16:]) == (row == column)


def test_a_projection_compares_with_images_of_its_class(service: Service, stub: Any, store: ObjectStore) -> None:
    uri = write_images(store, "kinds-shown", [("bent", "validation"), ("cut", "validation")])
    bent, cut = (np.asarray(decode(store.get(store.key(line.file.uri)))) for line in read_manifest(store, uri))
    store.put("imports/kind.png", stub.Preview(pb.PreviewRequest(model="kinds", seeds=[9])).images[0])
    lefts, projected = {}, {}
    for label in ("", "bent", "cut"):
        request = pb.ProjectImageRequest(
            request_id=f"project-of-{label}", model="kinds", image_uri=store.uri("imports/kind.png"), steps=10,
            compared=2, manifest_uri=uri, class_label=label,
        )  # fmt: skip
        projection = wait_for(service.channel, stub.ProjectImage(request), timeout_s=PATIENT_S)
        picture = np.asarray(decode(store.get(store.key(projection.picture_uri))))
        lefts[label] = [picture[start : start + 16, :16] for start in range(16, len(picture), 16)]
        projected[label] = picture[:16, 16:]
    np.testing.assert_array_equal(lefts["cut"], [shown(stub, 0, "cut"), shown(stub, 1, "cut"), cut])
    np.testing.assert_array_equal(lefts[""], [shown(stub, 0, "bent"), shown(stub, 1, "cut"), bent, cut])
    assert not np.array_equal(projected["bent"], projected["cut"])  # they start from the means of their classes


GIVEN = {
    "ExportGenerator": {"format": "onnx"},
    "Interpolate": {"seeds": [1, 2]},
    "MixStyles": {"rows": [1], "columns": [2], "styles": [0]},
    "ProjectImage": {"image_uri": "file:///none"},
}


@pytest.mark.parametrize(
    ("call", "wrong", "kind", "field"),
    [
        ("ExportGenerator", {"format": "pickle"}, InvalidInput, "format"),
        ("ExportGenerator", {"model": ""}, InvalidInput, "model"),
        ("ExportGenerator", {"model": "nobody"}, NotFound, None),
        ("ExportGenerator", {"request_id": ""}, InvalidInput, "request_id"),
        ("Interpolate", {"seeds": [1]}, InvalidInput, "seeds"),
        ("Interpolate", {"space": "x"}, InvalidInput, "space"),
        ("Interpolate", {"format": "gif"}, InvalidInput, "format"),
        ("Interpolate", {"fps": 61.0}, InvalidInput, "fps"),
        ("Interpolate", {"precision": "fp8"}, InvalidInput, "precision"),
        ("Interpolate", {"class_labels": ["bent"]}, InvalidInput, "class_labels"),
        ("Interpolate", {"model": "kinds", "class_labels": ["dented"]}, InvalidInput, "class_labels"),
        ("Interpolate", {"model": "kinds", "class_labels": ["cut", ""]}, InvalidInput, "class_labels"),
        (
            "Interpolate",
            {"model": "kinds", "class_labels": ["bent", "cut"], "space": "z"},
            InvalidInput,
            "class_labels",
        ),
        ("Interpolate", {"model": "kinds", "class_labels": ["bent", "cut", "cut"]}, InvalidInput, "class_labels"),
        ("Interpolate", {"frames": 3601}, InvalidInput, "frames"),
        ("Interpolate", {"model": "nobody"}, NotFound, None),
        ("MixStyles", {"rows": []}, InvalidInput, "rows"),
        ("MixStyles", {"styles": [6]}, InvalidInput, "styles"),
        ("MixStyles", {"truncation_psi": 3.0}, InvalidInput, "truncation_psi"),
        ("Interpolate", {"half_resolutions": 9}, InvalidInput, "half_resolutions"),
        ("MixStyles", {"truncation_cutoff": -1}, InvalidInput, "truncation_cutoff"),
        ("Interpolate", {"truncation_cutoff": -1}, InvalidInput, "truncation_cutoff"),
        ("MixStyles", {"precision": "fp8"}, InvalidInput, "precision"),
        ("MixStyles", {"half_resolutions": -1}, InvalidInput, "half_resolutions"),
        ("MixStyles", {"class_labels": ["bent"]}, InvalidInput, "class_labels"),
        ("MixStyles", {"model": "kinds", "class_labels": ["bent", "dented"]}, InvalidInput, "class_labels"),
        ("MixStyles", {"model": "kinds", "class_labels": ["bent", "cut", "cut"]}, InvalidInput, "class_labels"),
        ("MixStyles", {"model": "tiny/2"}, NotFound, None),
        ("ProjectImage", {}, Refused, None),
        ("ProjectImage", {"image_uri": ""}, InvalidInput, "image_uri"),
        ("ProjectImage", {"steps": 9}, InvalidInput, "steps"),
        ("ProjectImage", {"compared": 16}, InvalidInput, "compared"),
        ("ProjectImage", {"seed": -1}, InvalidInput, "seed"),
    ],
)
def test_what_cannot_be_is_refused(
    stub: Any, call: str, wrong: dict[str, Any], kind: type[DefectoryError], field: str | None
) -> None:
    message = {"ExportGenerator": pb.ExportGeneratorRequest, "Interpolate": pb.InterpolateRequest,
               "MixStyles": pb.MixStylesRequest, "ProjectImage": pb.ProjectImageRequest}[call]  # fmt: skip
    error = refusal(getattr(stub, call), message(**{"request_id": "bad", "model": "tiny", **GIVEN[call], **wrong}))
    assert type(error) is kind, error
    assert field is None or field in error.fields


def test_a_projection_onto_a_class_that_is_none_is_refused(stub: Any, store: ObjectStore) -> None:
    store.put("imports/any.png", stub.Preview(pb.PreviewRequest(model="tiny", seeds=[2])).images[0])
    given = {"request_id": "no-class", "image_uri": store.uri("imports/any.png"), "class_label": "dented"}
    for model, right in (("kinds", "use one of bent, cut"), ("tiny", "leave it out")):
        error = refusal(stub.ProjectImage, pb.ProjectImageRequest(**given, model=model))
        assert type(error) is InvalidInput
        assert right in error.fields["class_label"]


def test_held_out_images_must_be_there(service: Service, stub: Any, store: ObjectStore) -> None:
    image = stub.Preview(pb.PreviewRequest(model="tiny", seeds=[2])).images[0]
    store.put("imports/two.png", image)
    given = {"request_id": "none", "model": "tiny", "image_uri": store.uri("imports/two.png")}
    absent = pb.ProjectImageRequest(**given, manifest_uri=store.uri("datasets/none/manifest.jsonl"))
    assert type(refusal(stub.ProjectImage, absent)) is NotFound
    without = pb.ProjectImageRequest(**given, manifest_uri=write_images(store, "train-only", [("defect", "train")]))
    with pytest.raises(InvalidInput, match="nothing to compare with"):
        wait_for(service.channel, stub.ProjectImage(without), timeout_s=PATIENT_S)


def test_an_import_is_of_one_file(stub: Any, store: ObjectStore) -> None:
    uri = store.uri("imports/none")
    both = pb.ImportGeneratorRequest(request_id="two", pickle_uri=uri, safetensors_uri=uri, name="n", label="l")
    error = refusal(stub.ImportGenerator, both)
    assert isinstance(error, InvalidInput)
    assert "safetensors_uri" in error.fields
    absent = pb.ImportGeneratorRequest(request_id="absent", safetensors_uri=uri, name="n")
    assert type(refusal(stub.ImportGenerator, absent)) is NotFound
