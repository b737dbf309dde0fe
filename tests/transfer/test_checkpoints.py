"""Checkpoints: the file, the folder, and resumed runs that end like uninterrupted ones."""

import errno
import hashlib
import json
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tf_style
from tf_style.config import style_config
from tf_style.config.earlier import ADDED
from tf_style.config.style_config import StyleConfig
from tf_style.files import atomic
from tf_style.inputs.preparation import prepare_inputs
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


def test_tensors_are_written_like_arrays(tmp_path):
    import tensorflow as tf

    tensors = {name: tf.constant(value) for name, value in ARRAYS.items() if name != "count"}
    checkpoint_file.write(tmp_path / "tensors", {}, tensors)
    found = checkpoint_file.read(tmp_path / "tensors")
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(found.arrays[name], tensor)


def test_the_file_has_the_documented_format(file):
    # Read by hand, as the docstring of the module describes it.
    data = file.read_bytes()
    line, rest = data.split(b"\n", 1)
    assert line == b"tf_style checkpoint 2"
    (length,) = struct.unpack("<Q", rest[:8])
    header = json.loads(rest[8 : 8 + length])
    assert header["tf_style"] == tf_style.__version__
    assert header["arrays"][0] == {"name": "ring", "dtype": "float32", "shape": [2, 3]}
    assert rest[8 + length :][:24] == ARRAYS["ring"].tobytes()
    assert data[-32:] == hashlib.sha256(data[:-32]).digest()


def test_a_file_truncated_anywhere_is_refused(file):
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


def test_a_file_with_data_after_its_end_is_refused(file):
    file.write_bytes(file.read_bytes() + b"x")
    with pytest.raises(CheckpointError, match="truncated or damaged"):
        checkpoint_file.read(file)


def forged(path, header, data=b""):
    """Writes a file with a correct hash and any header."""
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    data = b"tf_style checkpoint 2\n" + struct.pack("<Q", len(head)) + head + data
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
    with pytest.raises(CheckpointError, match="is not a checkpoint of tf_style"):
        checkpoint_file.read(forged(tmp_path / "forged", header))


def test_a_forged_length_takes_no_memory(tmp_path):
    data = b"tf_style checkpoint 2\n" + struct.pack("<Q", 2**62)
    (tmp_path / "long").write_bytes(data + hashlib.sha256(data).digest())
    with pytest.raises(CheckpointError, match="truncated or damaged"):
        checkpoint_file.read(tmp_path / "long")


def test_other_formats_and_versions_are_named(tmp_path, file):
    file.write_bytes(file.read_bytes().replace(b"checkpoint 2\n", b"checkpoint 1\n"))
    with pytest.raises(CheckpointError, match="must have format 2. Received: format '1'"):
        checkpoint_file.read(file)
    with pytest.raises(CheckpointError, match=r"version '0\.0\.1'.* Resume with that version"):
        checkpoint_file.read(forged(tmp_path / "old", {**GOOD, "tf_style": "0.0.1"}))


# The folder.


class FakeProgress:
    """Has the attributes of a `Progress` that checkpoints use."""

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


def test_the_last_two_are_saved_and_all_are_removed_at_the_end(folder):
    saved = make(folder)
    assert not saved.written
    for step in (1, 2, 3):
        saved.after_slice(FakeProgress(step), notify=silent)
    assert steps_in(folder) == [2, 3]
    assert checkpoints.newest(folder, argument="resume").description["step"] == 3
    assert saved.written
    saved.remove()
    assert not folder.exists()


def test_none_is_written_too_early_or_at_the_end_or_after_the_last(folder):
    saved = make(folder, seconds=1000.0)
    saved.after_slice(FakeProgress(1), notify=silent)
    saved.after_slice(FakeProgress(1000), notify=silent)
    assert not folder.exists()
    saved.after_slice(FakeProgress(2), notify=silent, at_once=True)
    saved.after_slice(FakeProgress(3), notify=silent, at_once=True)
    assert steps_in(folder) == [2]


def test_a_slice_that_would_end_after_the_interval_is_not_awaited(folder, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(checkpoints.time, "perf_counter", lambda: clock[0])
    saved = make(folder, seconds=60.0)
    for now in (20.0, 38.0, 55.0, 75.0, 130.0):
        clock[0] = now
        saved.after_slice(FakeProgress(int(now)), notify=silent)
    # 38 + 18 ends within the interval, 55 + 17 does not. 75 is 20 s later; 130 + 55 is too late.
    assert steps_in(folder) == [55, 130]


def test_the_time_of_writing_does_not_count(folder, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(checkpoints.time, "perf_counter", lambda: clock[0])
    real = checkpoint_file.write

    def slow(*arguments):
        real(*arguments)
        clock[0] += 30.0

    monkeypatch.setattr(checkpoint_file, "write", slow)
    saved = make(folder, seconds=60.0)
    for step in range(1, 16):
        clock[0] += 10.0
        saved.after_slice(FakeProgress(step), notify=silent)
    # After five slices of ten seconds, a sixth would end exactly with the interval.
    assert steps_in(folder) == [10, 15]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_full_disk_is_reported_once_and_the_last_checkpoint_stays(folder, monkeypatch, number):
    notes = []
    saved = make(folder)
    saved.after_slice(FakeProgress(1), notify=notes.append)

    def full(path, write):
        def half(file):
            write(file)
            raise OSError(number, os.strerror(number))

        return real(path, half)

    real = atomic.write_atomically
    monkeypatch.setattr(atomic, "write_atomically", full)
    for step in (2, 3):
        saved.after_slice(FakeProgress(step), notify=notes.append)
    assert [os.strerror(number) in text for text in notes] == [True]
    assert "The run continues" in notes[0]
    assert steps_in(folder) == [1]
    monkeypatch.setattr(atomic, "write_atomically", real)
    saved.after_slice(FakeProgress(4), notify=notes.append)
    assert steps_in(folder) == [1, 4]
    assert len(notes) == 1


def test_a_folder_that_is_not_writable_is_reported_before_the_run(folder, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: path != folder.parent)
    with pytest.raises(PermissionError, match=f"must be a folder that can be.*'{folder.parent}'"):
        checkpoints.check_folder(folder)


def test_the_next_write_removes_what_a_killed_process_left(folder):
    folder.mkdir()
    part = folder / f".{'0a' * 8}.part"
    part.write_bytes(b"half")
    checkpoints.check_folder(folder)
    make(folder).after_slice(FakeProgress(1), notify=silent)
    assert not part.exists()


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(FileExistsError, match="nothing but checkpoints.*'letter.txt'"):
        checkpoints.check_folder(tmp_path)
    with pytest.raises(NotADirectoryError, match="a file"):
        checkpoints.check_folder(tmp_path / "letter.txt")


def test_a_folder_with_checkpoints_of_a_training_is_refused(folder):
    make(folder).after_slice(FakeProgress(1), notify=silent)
    assert checkpoints.check_folder(folder) == folder
    with pytest.raises(FileExistsError, match=r"nothing but checkpoints.*'00000001\.checkpoint'"):
        checkpoints.check_folder(folder, "training")
    (path,) = folder.iterdir()
    path.write_bytes(path.read_bytes().replace(b"tf_style checkpoint", b"tf_style training", 1))
    with pytest.raises(FileExistsError, match="nothing but checkpoints"):
        checkpoints.check_folder(folder)
    path.write_bytes(b"")  # Damaged: not known to be of another kind.
    assert checkpoints.check_folder(folder, "training") == folder


def test_a_damaged_newest_checkpoint_is_refused_and_the_one_before_it_is_named(folder):
    saved = make(folder)
    for step in (1, 2):
        saved.after_slice(FakeProgress(step), notify=silent)
    older, newer = sorted(folder.iterdir())
    newer.write_bytes(newer.read_bytes()[:-40])
    with pytest.raises(CheckpointError) as caught:
        checkpoints.newest(folder, argument="resume")
    assert "truncated or damaged" in str(caught.value)
    assert f"of step 1, is intact: remove '{newer}' to resume from that one" in str(caught.value)
    newer.unlink()
    assert checkpoints.newest(folder, argument="resume").path == older
    older.write_bytes(b"")
    with pytest.raises(CheckpointError, match="There is no intact one before it: remove"):
        checkpoints.newest(folder, argument="resume")


def test_the_checkpoint_of_another_run_stays_until_this_run_has_one(folder):
    make(folder).after_slice(FakeProgress(1), notify=silent)
    make(folder).after_slice(FakeProgress(2), notify=silent)
    assert steps_in(folder) == [2]
    make(folder).remove()
    assert steps_in(folder) == [2]
    resumed = checkpoints.newest(folder, argument="resume")
    make(folder, resumed=resumed).after_slice(FakeProgress(3), notify=silent)
    assert steps_in(folder) == [2, 3]


def test_for_an_empty_or_missing_folder_the_message_names_it(tmp_path):
    for path, which in ((tmp_path, "holds none"), (tmp_path / "no", "does not exist")):
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
    """Returns an `on_progress` that cancels the run at call number `count`."""
    calls = []

    def on_progress(progress):
        calls.append(progress)
        return len(calls) == count

    return on_progress


def cancelled_and_resumed(folder, *pictures, counts, **options):
    """Returns the result of a run that is cancelled and resumed again and again."""
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
def test_a_run_that_was_cancelled_and_resumed_gives_the_same_bits(folder, pictures, optimizer):
    # The loop of TFP is traced anew for each size, which takes seconds.
    scales = "none" if optimizer == "tfp_lbfgs" else CONFIG.optimizer.scales
    config = CONFIG.replace(optimizer=optimizer, scales=scales)
    whole = tf_style.stylize(*pictures, config=config)
    # Cancelled in the first stage, near its end, and in the second stage.
    found = cancelled_and_resumed(folder, *pictures, counts=(1, 3, 2), config=config)
    np.testing.assert_array_equal(found.image, whole.image)
    names = ("step", "num_steps", "num_evaluations", "loss", "status")
    assert [getattr(found, name) for name in names] == [getattr(whole, name) for name in names]


@pytest.mark.usefixtures("mini_network")
def test_runs_with_textures_and_regions_are_resumed(folder, rng):
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
    found = cancelled_and_resumed(folder, *pictures, counts=(2, 3, 2), **options)
    np.testing.assert_array_equal(found.image, whole.image)


@pytest.mark.usefixtures("mini_network")
def test_a_progress_gives_no_state_after_on_progress_returned(pictures):
    seen = []
    tf_style.stylize(*pictures, config=CONFIG, on_progress=seen.append)
    with pytest.raises(ValueError, match="must be called while `on_progress` runs"):
        seen[0].state()


@pytest.mark.usefixtures("mini_network")
def test_different_pictures_settings_and_weights_are_refused(folder, pictures, monkeypatch):
    tf_style.stylize(*pictures, config=CONFIG, checkpoint_dir=folder, on_progress=ended_after(1))
    content, style = pictures
    with pytest.raises(ValueError, match="the same inputs. Received: different content, start"):
        tf_style.stylize(content * 0.999, style, config=CONFIG, checkpoint_dir=folder)
    with pytest.raises(ValueError, match="the same config. Received: different style_weight"):
        other = CONFIG.replace(style_weight=7.0)
        tf_style.stylize(*pictures, config=other, checkpoint_dir=folder)

    from tf_style.transfer import optimization

    problem, _ = optimization.load_problem(CONFIG)
    other = optimization.LoadedProblem(problem, "1" * 64)
    monkeypatch.setattr(optimization, "load_problem", lambda *_, **__: other)
    with pytest.raises(ValueError, match="`weights` must be those that the run began with"):
        tf_style.stylize(*pictures, config=CONFIG, checkpoint_dir=folder)


@pytest.mark.usefixtures("mini_network")
def test_a_resumed_run_has_only_the_time_that_was_left(folder, pictures):
    config = StyleConfig(size=48).replace(scales="none", time_budget=30.0)
    tf_style.stylize(*pictures, config=config, checkpoint_dir=folder, on_progress=ended_after(2))
    path = sorted(folder.iterdir())[-1]
    found = checkpoint_file.read(path)
    description = {**found.description, "elapsed": 29.9}
    checkpoint_file.write(path, description, {name: found.arrays[name] for name in found.arrays})
    result = tf_style.stylize(*pictures, config=config, checkpoint_dir=folder)
    assert result.status is Status.TIME_USED
    assert result.num_steps == result.step == found.description["step"]


def test_a_file_cannot_be_the_folder_of_checkpoints(pictures, tmp_path):
    path = Path(tmp_path / "file")
    path.write_text("text")
    with pytest.raises(NotADirectoryError):
        tf_style.stylize(*pictures, checkpoint_dir=path)
    with pytest.raises(ValueError, match="`checkpoint_seconds` must be at least 0"):
        tf_style.stylize(*pictures, checkpoint_dir=tmp_path / "new", checkpoint_seconds=-1.0)


def test_checkpoints_of_earlier_versions_are_of_the_same_run(picture_file, tmp_path):
    # They lack options and pictures that a run need not have; what they have must agree.
    config = style_config.preset("classic").replace(size=0)
    inputs = prepare_inputs(picture_file("a.png"), picture_file("b.png"), config)
    expected = checkpoints.describe(inputs, config)
    earlier = {
        "config": {name: value for name, value in expected["config"].items() if name not in ADDED},
        "inputs": {
            name: value
            for name, value in expected["inputs"].items()
            if name not in ("keep", "style_weights", "style_chroma")
        },
    }
    earlier["config"]["preset"] = "default"
    saved = checkpoints.Checkpoint(tmp_path / "a.checkpoint", earlier, {})
    checkpoints.check_same(saved, expected)
    for name in ("content", "regions"):
        other = saved._replace(description={**earlier, "inputs": {**earlier["inputs"], name: "x"}})
        with pytest.raises(ValueError, match=f"the same inputs. Received: different {name}"):
            checkpoints.check_same(other, expected)
    cut = np.asarray(Image.open(picture_file("b.png")).convert("RGBA")).copy()
    cut[:9, :, 3] = 0
    with_cut = checkpoints.describe(prepare_inputs(picture_file("a.png"), cut, config), config)
    with pytest.raises(ValueError, match="different .*style_weights"):
        checkpoints.check_same(saved, with_cut)
