"""Checkpoints: the file, the folder, and runs that end where the unbroken one does."""

import errno
import hashlib
import json
import os
import struct
from pathlib import Path

import numpy as np
import pytest

import tf_style
from tf_style.config.style_config import StyleConfig
from tf_style.files import atomic
from tf_style.optimizers.solution import Status
from tf_style.transfer import checkpoint_file, checkpoints
from tf_style.transfer.checkpoint_file import CheckpointError

ARRAYS = {
    "ring": np.arange(6, dtype=np.float32).reshape(2, 3) / 7,
    "count": 41,
    "flag": np.array(True),
    "empty": np.zeros((0, 3)),
    "transposed": np.arange(6, dtype=np.int32).reshape(2, 3).T,
}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "one.checkpoint"
    checkpoint_file.write(path, {"step": 3, "name": "Tübingen"}, ARRAYS)
    return path


def test_what_was_written_is_read(file):
    found = checkpoint_file.read(file)
    assert found.description == {"step": 3, "name": "Tübingen"}
    assert list(found.arrays) == list(ARRAYS)
    for name, value in ARRAYS.items():
        expected = np.asarray(value)
        assert found.arrays[name].dtype == expected.dtype
        np.testing.assert_array_equal(found.arrays[name], expected)
    assert "nothing" not in found.arrays


def test_tensors_are_written_as_arrays_are(tmp_path):
    import tensorflow as tf

    tensors = {name: tf.constant(value) for name, value in ARRAYS.items() if name != "count"}
    checkpoint_file.write(tmp_path / "tensors", {}, tensors)
    found = checkpoint_file.read(tmp_path / "tensors")
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(found.arrays[name], tensor)


def test_the_file_is_what_its_description_says(file):
    # Read by hand, as the module's docstring tells.
    data = file.read_bytes()
    line, rest = data.split(b"\n", 1)
    assert line == b"tf_style checkpoint 1"
    (length,) = struct.unpack("<Q", rest[:8])
    header = json.loads(rest[8 : 8 + length])
    assert header["tf_style"] == tf_style.__version__
    assert header["arrays"][0] == {"name": "ring", "dtype": "float32", "shape": [2, 3]}
    assert rest[8 + length :][:24] == ARRAYS["ring"].tobytes()
    assert data[-32:] == hashlib.sha256(data[:-32]).digest()


def test_a_file_cut_anywhere_is_refused(file):
    data = file.read_bytes()
    for length in range(len(data)):
        file.write_bytes(data[:length])
        with pytest.raises(CheckpointError, match=r"one\.checkpoint"):
            checkpoint_file.read(file)


def test_a_file_with_one_changed_byte_is_refused(file):
    data = file.read_bytes()
    for place in range(len(data)):
        file.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(CheckpointError, match=r"one\.checkpoint"):
            checkpoint_file.read(file)


def test_a_file_with_more_behind_it_is_refused(file):
    file.write_bytes(file.read_bytes() + b"x")
    with pytest.raises(CheckpointError, match="cut or damaged"):
        checkpoint_file.read(file)


def forged(path, header, data=b""):
    """Writes a file whose hash is right, whatever it says."""
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    data = b"tf_style checkpoint 1\n" + struct.pack("<Q", len(head)) + head + data
    path.write_bytes(data + hashlib.sha256(data).digest())
    return path


GOOD = {"tf_style": tf_style.__version__, "description": {}, "arrays": []}


@pytest.mark.parametrize(
    "header",
    [
        b"no JSON",
        b"[" * 100_000,
        b"\xff\xfe",
        [],
        {},
        {**GOOD, "arrays": 3},
        {**GOOD, "arrays": [3]},
        {**GOOD, "description": []},
        {**GOOD, "arrays": [{"name": "x", "dtype": "object", "shape": [1]}]},
        {**GOOD, "arrays": [{"name": 3, "dtype": "int32", "shape": [1]}]},
        {**GOOD, "arrays": [{"name": "x", "dtype": "float64", "shape": [2**40]}]},
        {**GOOD, "arrays": [{"name": "x", "dtype": "float64", "shape": [2**70, 0]}]},
        {**GOOD, "arrays": [{"name": "x", "dtype": "float64", "shape": [-1]}]},
        {**GOOD, "arrays": [{"name": "x", "dtype": "float64", "shape": ["1"]}]},
        {**GOOD, "arrays": [{"name": "x", "dtype": "float64", "shape": None}]},
    ],
)
def test_a_forged_header_is_refused_before_anything_is_read(tmp_path, header):
    with pytest.raises(CheckpointError, match="is no checkpoint of tf_style"):
        checkpoint_file.read(forged(tmp_path / "forged", header))


def test_a_forged_length_takes_no_memory(tmp_path):
    data = b"tf_style checkpoint 1\n" + struct.pack("<Q", 2**62)
    (tmp_path / "long").write_bytes(data + hashlib.sha256(data).digest())
    with pytest.raises(CheckpointError, match="cut or damaged"):
        checkpoint_file.read(tmp_path / "long")


def test_other_formats_and_versions_are_named(tmp_path, file):
    file.write_bytes(file.read_bytes().replace(b"checkpoint 1\n", b"checkpoint 2\n"))
    with pytest.raises(CheckpointError, match="must be of the format 1. Received: '2'"):
        checkpoint_file.read(file)
    with pytest.raises(CheckpointError, match=r"one of '0\.0\.1'.* Go on with that version"):
        checkpoint_file.read(forged(tmp_path / "old", {**GOOD, "tf_style": "0.0.1"}))


# The folder.


class Stand:
    """Stands for a `Progress`."""

    phase, num_steps, config = "picture", 1000, StyleConfig()

    def __init__(self, step):
        self.step = step

    def state(self):
        return {"step": self.step}


def make(folder, seconds=0.0, **options):
    return checkpoints.Checkpoints(folder, {}, seconds=seconds, started=0.0, **options)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "out.png.checkpoint"


def steps_in(folder):
    return [int(checkpoint_file.read(path).arrays["step"]) for path in sorted(folder.iterdir())]


def silent(text):
    raise AssertionError(text)


def test_the_last_two_are_kept_and_all_removed_at_the_end(folder):
    kept = make(folder)
    assert not kept.written
    for step in (1, 2, 3):
        kept.after_slice(Stand(step), notify=silent)
    assert steps_in(folder) == [2, 3]
    assert checkpoints.newest(folder, argument="resume").description["step"] == 3
    assert kept.written
    kept.remove()
    assert not folder.exists()


def test_none_is_written_before_its_time_nor_at_the_end_nor_after_the_last(folder):
    kept = make(folder, seconds=1000.0)
    kept.after_slice(Stand(1), notify=silent)
    kept.after_slice(Stand(1000), notify=silent)
    assert not folder.exists()
    kept.after_slice(Stand(2), notify=silent, at_once=True)
    kept.after_slice(Stand(3), notify=silent, at_once=True)
    assert steps_in(folder) == [2]


def test_a_slice_that_would_end_after_the_interval_is_not_waited_for(folder, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(checkpoints.time, "perf_counter", lambda: clock[0])
    kept = make(folder, seconds=60.0)
    for now in (20.0, 38.0, 55.0, 75.0, 130.0):
        clock[0] = now
        kept.after_slice(Stand(int(now)), notify=silent)
    # 38 + 18 is in time, 55 + 17 is not; then 75 is 20 later, and 130 + 55 is not in time.
    assert steps_in(folder) == [55, 130]


def test_the_time_of_writing_does_not_count(folder, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(checkpoints.time, "perf_counter", lambda: clock[0])
    real = checkpoint_file.write

    def slow(*arguments):
        real(*arguments)
        clock[0] += 30.0

    monkeypatch.setattr(checkpoint_file, "write", slow)
    kept = make(folder, seconds=60.0)
    for step in range(1, 16):
        clock[0] += 10.0
        kept.after_slice(Stand(step), notify=silent)
    # After five slices of ten seconds another would end at the interval's end.
    assert steps_in(folder) == [10, 15]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_full_disk_is_told_once_and_the_one_before_stays(folder, monkeypatch, number):
    told = []
    kept = make(folder)
    kept.after_slice(Stand(1), notify=told.append)

    def full(path, write):
        def half(file):
            write(file)
            raise OSError(number, os.strerror(number))

        return real(path, half)

    real = atomic.write_atomically
    monkeypatch.setattr(atomic, "write_atomically", full)
    for step in (2, 3):
        kept.after_slice(Stand(step), notify=told.append)
    assert [os.strerror(number) in text for text in told] == [True]
    assert "The run goes on" in told[0]
    assert steps_in(folder) == [1]
    monkeypatch.setattr(atomic, "write_atomically", real)
    kept.after_slice(Stand(4), notify=told.append)
    assert steps_in(folder) == [1, 4]
    assert len(told) == 1


def test_a_folder_that_cannot_be_written_is_told_before_the_work(folder, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: path != folder.parent)
    with pytest.raises(PermissionError, match=f"must be a folder that can be.*'{folder.parent}'"):
        checkpoints.check_folder(folder)


def test_what_a_killed_process_left_is_cleaned_up_by_the_next_write(folder):
    folder.mkdir()
    part = folder / f".{'0a' * 8}.part"
    part.write_bytes(b"half")
    checkpoints.check_folder(folder)
    make(folder).after_slice(Stand(1), notify=silent)
    assert not part.exists()


def test_a_folder_of_other_things_is_refused(tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(FileExistsError, match="a folder of its own.*'letter.txt'"):
        checkpoints.check_folder(tmp_path)
    with pytest.raises(NotADirectoryError, match="a file"):
        checkpoints.check_folder(tmp_path / "letter.txt")


def test_a_damaged_newest_is_refused_and_the_one_before_it_named(folder):
    kept = make(folder)
    for step in (1, 2):
        kept.after_slice(Stand(step), notify=silent)
    older, newer = sorted(folder.iterdir())
    newer.write_bytes(newer.read_bytes()[:-40])
    with pytest.raises(CheckpointError) as caught:
        checkpoints.newest(folder, argument="resume")
    assert "cut or damaged" in str(caught.value)
    assert f"of step 1, is whole: remove '{newer}' to go on from there" in str(caught.value)
    newer.unlink()
    assert checkpoints.newest(folder, argument="resume").path == older
    older.write_bytes(b"")
    with pytest.raises(CheckpointError, match="There is no whole one before it: remove"):
        checkpoints.newest(folder, argument="resume")


def test_another_runs_checkpoint_stays_until_there_is_one_of_this(folder):
    make(folder).after_slice(Stand(1), notify=silent)
    make(folder).after_slice(Stand(2), notify=silent)
    assert steps_in(folder) == [2]
    make(folder).remove()
    assert steps_in(folder) == [2]
    resumed = checkpoints.newest(folder, argument="resume")
    make(folder, resumed=resumed).after_slice(Stand(3), notify=silent)
    assert steps_in(folder) == [2, 3]


def test_an_empty_or_missing_folder_says_what_to_name(tmp_path):
    for path, which in ((tmp_path, "holds none"), (tmp_path / "no", "no folder")):
        with pytest.raises(FileNotFoundError, match=f"`resume` must be .*{which}"):
            checkpoints.newest(path, argument="resume")


# Runs from Python.

CONFIG = StyleConfig(size=48).replace(steps=5, scales="0.5:4,1:5", deterministic=True)


@pytest.fixture
def pictures(rng):
    return rng.uniform(size=(40, 48, 3)).astype(np.float32), rng.uniform(size=(36, 36, 3)).astype(
        np.float32
    )


def ended_after(count):
    """An `on_progress` that ends the run at its so-manieth call."""
    calls = []

    def on_progress(progress):
        calls.append(progress)
        return len(calls) == count

    return on_progress


def broken_and_resumed(folder, *pictures, counts, **options):
    """The result of a run that is ended and gone on with again and again."""
    for count in counts:
        result = tf_style.stylize(
            *pictures, checkpoint_dir=folder, on_progress=ended_after(count), **options
        )
        assert result.status is Status.CANCELLED
        assert folder.exists()
    result = tf_style.stylize(*pictures, checkpoint_dir=folder, **options)
    assert not folder.exists()
    return result


@pytest.mark.usefixtures("mini_network")
@pytest.mark.parametrize("optimizer", ["lbfgs", "tfp_lbfgs", "adam"])
def test_a_run_that_was_ended_and_gone_on_with_gives_the_same_bits(folder, pictures, optimizer):
    # TFP's loop is traced anew for each size, which takes seconds.
    scales = "none" if optimizer == "tfp_lbfgs" else CONFIG.optimizer.scales
    config = CONFIG.replace(optimizer=optimizer, scales=scales)
    whole = tf_style.stylize(*pictures, config=config)
    # Ended in the first stage, at its end or soon after it, and in the second.
    found = broken_and_resumed(folder, *pictures, counts=(1, 3, 2), config=config)
    np.testing.assert_array_equal(found.image, whole.image)
    told = ("step", "num_steps", "num_evaluations", "loss", "status")
    assert [getattr(found, name) for name in told] == [getattr(whole, name) for name in told]


@pytest.mark.usefixtures("mini_network")
def test_textures_and_regions_are_gone_on_with(folder, rng):
    content, first, second, fine = rng.uniform(size=(4, 64, 64, 3)).astype(np.float32)
    content[:, :32] *= 0.2
    options = {
        "config": StyleConfig(size=64).replace(
            steps=3, scales="none", deterministic=True, regions="auto", num_regions=2
        ),
        "fine_style": fine,
    }
    pictures = content, [first, second]
    whole = tf_style.stylize(*pictures, **options)
    found = broken_and_resumed(folder, *pictures, counts=(2, 3, 2), **options)
    np.testing.assert_array_equal(found.image, whole.image)


@pytest.mark.usefixtures("mini_network")
def test_a_progress_that_is_kept_holds_no_state(pictures):
    seen = []
    tf_style.stylize(*pictures, config=CONFIG, on_progress=seen.append)
    with pytest.raises(ValueError, match="must be called while `on_progress` runs"):
        seen[0].state()


@pytest.mark.usefixtures("mini_network")
def test_other_pictures_settings_and_weights_are_refused(folder, pictures, monkeypatch):
    tf_style.stylize(*pictures, config=CONFIG, checkpoint_dir=folder, on_progress=ended_after(1))
    content, style = pictures
    with pytest.raises(ValueError, match="the same inputs. Received: other content, start"):
        tf_style.stylize(content * 0.999, style, config=CONFIG, checkpoint_dir=folder)
    with pytest.raises(ValueError, match="the same config. Received: other style_weight"):
        other = CONFIG.replace(style_weight=3.0)
        tf_style.stylize(*pictures, config=other, checkpoint_dir=folder)

    from tf_style.transfer import painting

    problem, _ = painting.load_problem(CONFIG)
    monkeypatch.setattr(painting, "load_problem", lambda *_, **__: (problem, "1" * 64))
    with pytest.raises(ValueError, match="`weights` must be those that the run was begun with"):
        tf_style.stylize(*pictures, config=CONFIG, checkpoint_dir=folder)


@pytest.mark.usefixtures("mini_network")
def test_a_resumed_run_goes_on_with_the_time_that_was_left(folder, pictures):
    config = StyleConfig(size=48).replace(scales="none", time_budget=30.0)
    tf_style.stylize(*pictures, config=config, checkpoint_dir=folder, on_progress=ended_after(2))
    path = sorted(folder.iterdir())[-1]
    found = checkpoint_file.read(path)
    description = {**found.description, "elapsed": 29.9}
    checkpoint_file.write(path, description, {name: found.arrays[name] for name in found.arrays})
    result = tf_style.stylize(*pictures, config=config, checkpoint_dir=folder)
    assert result.status is Status.TIME_USED
    assert result.num_steps == result.step == found.description["step"]


def test_a_file_is_no_place_for_checkpoints(pictures, tmp_path):
    path = Path(tmp_path / "file")
    path.write_text("text")
    with pytest.raises(NotADirectoryError):
        tf_style.stylize(*pictures, checkpoint_dir=path)
    with pytest.raises(ValueError, match="`checkpoint_seconds` must be at least 0"):
        tf_style.stylize(*pictures, checkpoint_dir=tmp_path / "new", checkpoint_seconds=-1.0)
