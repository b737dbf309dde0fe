"""Parts of photographs: from files, in an order that a training can go on with."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tf_style.training.datasets import crops, style_parts
from tf_style.training.photographs import (
    NoPhotographsError,
    Photographs,
    listed,
    own_part,
    part_of,
    recolored,
    with_least_contrast,
)


@pytest.fixture
def folder(tmp_path):
    """Four photographs, each of one color, of different sizes."""
    (tmp_path / "more").mkdir()
    for name, value, size in (
        ("a.png", 10, (90, 70)), ("b.jpg", 80, (70, 120)), ("more/c.png", 160, (80, 80)),
        ("more/d.png", 240, (1300, 700)),
    ):  # fmt: skip
        Image.new("RGB", size, (value, value, value)).save(tmp_path / name)
    return tmp_path


def values(batches, count):
    """The color of each part of the first batches, 0..255."""
    return [
        sorted(int(np.rint(255.0 * part.mean())) for part in batch)
        for batch in batches.take(count).as_numpy_iterator()
    ]


def test_each_epoch_has_every_photograph_once(folder):
    photographs = Photographs(listed(folder)[0])
    batches = crops(photographs, first=0, batch=4, side=64, seed=3)
    assert values(batches, 3) == [[10, 80, 160, 240]] * 3


def test_a_later_start_gives_the_later_batches(folder, rng):
    for index in range(3):
        pixels = rng.integers(0, 256, (80, 90, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"noise{index}.png")
    photographs = Photographs(listed(folder)[0])
    all_batches = list(crops(photographs, first=0, batch=3, side=64, seed=1).take(5))
    later = list(crops(photographs, first=3, batch=3, side=64, seed=1).take(2))
    np.testing.assert_array_equal(all_batches[3:], later)
    styles = [rng.uniform(size=[1, 70, 80, 3]).astype(np.float32)]
    all_parts = list(style_parts(photographs, styles, first=0, side=32, seed=1).take(5))
    later = list(style_parts(photographs, styles, first=3, side=32, seed=1).take(2))
    np.testing.assert_array_equal(all_parts[3:], later)
    assert all_parts[0].shape == (1, 32, 32, 3)


def test_bad_files_are_told_once_and_left_out(folder):
    (folder / "bad.jpg").write_bytes(b"\xff\xd8 no picture")
    (folder / "notes.txt").write_text("text")
    paths, notes = listed(folder)
    assert len(paths) == 5
    assert notes == ["`photos` has 1 file that is no picture by its name."]
    told = []
    batches = crops(Photographs(paths, told.append), first=0, batch=5, side=64, seed=0)
    assert all({10, 80, 160, 240} == set(found) for found in values(batches, 3))
    assert len(told) == 1
    assert told[0].startswith("bad.jpg: left out: ")


def test_without_a_photograph_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="`photos` must be a folder"):
        listed(tmp_path / "none")
    (tmp_path / "bad.png").write_bytes(b"nothing")
    photographs = Photographs(listed(tmp_path)[0])
    with pytest.raises(NoPhotographsError, match="that can be read. Received: 1 damaged file\\."):
        photographs.number(0)
    (tmp_path / "bad.png").rename(tmp_path / "bad.txt")
    with pytest.raises(NoPhotographsError, match="at least one photograph .*1 other file\\."):
        listed(tmp_path)
    (tmp_path / "more.txt").write_text("text")
    with pytest.raises(NoPhotographsError, match="2 other files\\."):
        listed(tmp_path)


def test_what_a_training_writes_is_no_photograph(folder, monkeypatch):
    (folder / "wave.checkpoint").mkdir()
    for name in ("wave_preview.png", "wave.tfstyle", "wave.checkpoint/00000001.checkpoint"):
        (folder / name).write_bytes(b"")
    monkeypatch.chdir(folder)  # Other names of the same files.
    own = [Path("wave.tfstyle"), Path("wave_preview.png"), Path("wave.checkpoint")]
    paths, notes = listed(folder, own)
    assert [path.name for path in paths] == ["a.png", "b.jpg", "c.png", "d.png"]
    assert notes == []


def test_large_photographs_are_reduced(folder):
    photographs = Photographs(listed(folder)[0])
    assert photographs.number(3).shape == (345, 640, 3)


def test_a_part_is_square_and_inside(rng):
    ramp = np.tile(np.arange(200, dtype=np.uint8)[:, None, None], (1, 100, 3))
    for _ in range(20):
        part = part_of(ramp, 64, rng)
        assert part.shape == (64, 64, 3)
        # The part shows between half and all of the shorter side, top to bottom.
        extent = float(part[-1].mean()) - float(part[0].mean())
        assert 45 < extent < 101


def test_a_narrow_painting_is_continued_by_its_mirror_image(rng):
    image = rng.uniform(size=[1, 20, 50, 3]).astype(np.float32)
    part = own_part(image, 32, rng)
    assert part.shape == (32, 32, 3)
    np.testing.assert_array_equal(part[20:], part[19:7:-1])


def test_nearly_flat_parts_get_contrast(rng):
    image = rng.uniform(0.7, 0.8, size=[40, 40, 3]).astype(np.float32)
    found = with_least_contrast(image)
    assert found.std() == pytest.approx(0.15, rel=0.01)
    assert np.corrcoef(found.ravel(), image.ravel())[0, 1] > 0.999
    rich = rng.uniform(size=[9, 9, 3]).astype(np.float32)
    np.testing.assert_array_equal(with_least_contrast(rich), rich)
    assert np.isfinite(with_least_contrast(np.full([9, 9, 3], 0.2, np.float32))).all()


def test_recoloring_keeps_forms_and_range(rng):
    image = rng.uniform(size=[30, 30, 3]).astype(np.float32)
    found = recolored(image, rng)
    assert found.dtype == np.float32
    assert 0.0 <= found.min() < found.max() <= 1.0
    flat = recolored(np.full([8, 8, 3], 0.4, np.float32), rng)
    assert np.ptp(flat, (0, 1)).max() < 1e-6
