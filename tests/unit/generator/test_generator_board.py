"""TensorBoard's event files, read back as TensorBoard itself reads them."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tensorboard.compat.proto import event_pb2
from tensorboard.compat.tensorflow_stub import errors
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import PyRecordReader_New

from defectory.errors import Exhausted
from defectory.imaging import decode, encode_png
from defectory.storage import ObjectStore
from services.generator.training.board import Board
from services.generator.training.snapshots import write_sheet, write_video

PREFIX = "models/generator/m/1/"


def read(store: ObjectStore, key: str, folder: Path) -> list[tuple[int, str, Any]]:
    """(step, tag, value or picture) of every entry; TensorBoard's reader checks each record's checksum."""
    store.get_file(key, folder / "events")
    reader, entries = PyRecordReader_New(str(folder / "events")), []
    while True:
        try:
            reader.GetNext()
        except errors.OutOfRangeError:
            return entries
        event = event_pb2.Event.FromString(reader.record())
        entries += [
            (event.step, x.tag, x.image if x.HasField("image") else x.simple_value) for x in event.summary.value
        ]


def test_values_and_sheets_are_what_tensorboard_reads(folder: ObjectStore, tmp_path: Path) -> None:
    board = Board(folder, PREFIX)
    picture = np.random.default_rng(0).integers(0, 256, (8, 16, 1), np.uint8)
    board.add(16, {"loss_g": 1.5, "p": 0.25, "images_s": 20.0})
    board.add(32, {"kid": -0.5})
    board.add_sheet(32, picture)
    key = board.write(32)
    assert "tfevents" in key
    assert key.startswith(f"{PREFIX}events/")
    *scalars, (step, tag, image) = read(folder, key, tmp_path)
    assert scalars == [
        (16, "loss/loss_g", 1.5),
        (16, "augmentation/p", 0.25),
        (16, "training/images_s", 20.0),
        (32, "held-out/kid", -0.5),
    ]
    assert (step, tag) == (32, "samples")
    assert np.array_equal(np.asarray(decode(image.encoded_image_string).convert("L")), picture[..., 0])
    assert board.write(40) == ""  # nothing is written twice


def test_what_could_not_be_written_is_kept_for_the_next_time(
    folder: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board, put = Board(folder, PREFIX), folder.put

    def full(*_: Any) -> None:
        raise Exhausted("the disk is full")

    board.add(16, {"p": 0.5})
    monkeypatch.setattr(folder, "put", full)
    with pytest.raises(Exhausted):
        board.write(16)
    monkeypatch.setattr(folder, "put", put)
    board.add(32, {"p": 0.75})
    assert [step for step, *_ in read(folder, board.write(32), tmp_path)] == [16, 32]


def test_the_video_shows_the_sheets_in_order(folder: ObjectStore) -> None:
    for number in range(3):
        write_sheet(folder, PREFIX, 1000 * (number + 1), np.full((16, 32, 1), 80 * number, np.uint8))
    with Image.open(io.BytesIO(folder.get(write_video(folder, PREFIX)))) as video:
        assert (video.n_frames, video.size) == (3, (32, 16))
        for number in range(3):
            video.seek(number)
            assert np.asarray(video.convert("L")).mean() == pytest.approx(80 * number, abs=4)


def test_a_broken_sheet_costs_the_video_only(folder: ObjectStore) -> None:
    folder.put(f"{PREFIX}samples/000000001000.png", b"cut off")
    assert write_video(folder, PREFIX) == ""
    folder.put(f"{PREFIX}samples/000000001000.png", encode_png(np.zeros((8, 8, 1), np.uint8)))
    assert write_video(folder, PREFIX) == f"{PREFIX}training.webp"
