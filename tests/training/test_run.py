"""Trainings from pictures to files: resumed to the bit, styles added, and a full disk."""

import errno

import numpy as np
import pytest
import tensorflow as tf
from mini_training import (
    stop_trainings,
    tiny_config,
    use_still_training,
    write_pictures,
    write_tiny_network,
)
from PIL import Image

import tf_style
from tf_style.feedforward.network_file import read_network, write_network
from tf_style.feedforward.painting import paint
from tf_style.files import atomic, checkpoint_folder
from tf_style.training import checkpoints, run
from tf_style.training.preparation import prepare
from tf_style.training.run import TrainingFiles, TrainingStatus
from tf_style.training.step import StepLosses
from tf_style.training.training import DivergedError

pytestmark = pytest.mark.usefixtures("mini_network")


@pytest.fixture
def pictures(tmp_path):
    """A painting and a folder with photographs."""
    (painting,) = write_pictures(tmp_path, ["wave.png"])
    write_pictures(tmp_path / "photos", ["a.png", "b.png", "c.png"])
    return painting, tmp_path / "photos"


@pytest.fixture
def base(tmp_path):
    return write_tiny_network(tmp_path / "base.tfstyle", "older", "oldest")


def arrays_of(folder):
    return dict(checkpoints.read(checkpoint_folder.checkpoints_in(folder)[-1]).arrays)


def test_a_resumed_training_equals_one_without_a_break_to_the_bit(pictures, base, tmp_path):
    options = {"config": tiny_config(steps=6), "init_network": str(base)}
    seen = []
    whole = tf_style.train_network(
        *pictures, **options, checkpoint_dir=tmp_path / "whole", on_progress=seen.append
    )
    assert whole.status is TrainingStatus.DONE
    assert [each.reached.step for each in seen] == [1, 2, 3, 4, 5, 6]
    assert all(np.isfinite(each.losses).all() for each in seen)

    folder = tmp_path / "parts"
    first = tf_style.train_network(
        *pictures,
        **options,
        checkpoint_dir=folder,
        on_progress=lambda progress: progress.reached.step == 3,
    )
    assert first.status is TrainingStatus.CANCELLED and first.reached.step == 3
    rest = tf_style.train_network(*pictures, **options, checkpoint_dir=folder)
    assert rest.status is TrainingStatus.DONE and rest.reached.step == 6
    expected, found = arrays_of(tmp_path / "whole"), arrays_of(folder)
    assert set(expected) == set(found)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)
    changed = [name for name in expected if name.startswith("parameters/")]
    start = read_network(base).parameters
    assert any((expected[f"parameters/{name}"] != value).any() for name, value in start.items())
    assert "parameters/styles" in changed


def painted(network, name, photograph):
    style = tf.constant(network.styles[name][np.newaxis])
    return paint(network.architecture, network.parameters, tf.constant(photograph), style)


def test_added_styles_leave_the_network_and_its_other_styles_as_they_are(
    pictures, base, tmp_path, rng
):
    output, preview = tmp_path / "more.tfstyle", tmp_path / "sheet.png"
    folder = tmp_path / "checkpoints"
    options = {
        "output": output,
        "config": tiny_config(steps=2),
        "add_to": str(base),
        "checkpoint_dir": folder,
        "preview": preview,
        "summary_dir": str(tmp_path / "logs"),
    }
    tf_style.train_network(*pictures, **options, on_progress=lambda _: True)
    before, first = read_network(base), read_network(output)
    base.unlink()  # Everything is in the checkpoint.
    result = tf_style.train_network(*pictures, **options)
    after = read_network(output)
    assert list(after.styles) == ["older", "oldest", "wave"]
    assert result.reached.step == 2
    for name, array in before.parameters.items():
        np.testing.assert_array_equal(after.parameters[name], array)
    for name, array in before.styles.items():
        np.testing.assert_array_equal(after.styles[name], array)
    photograph = rng.random((1, 32, 40, 3), np.float32)
    np.testing.assert_array_equal(
        painted(after, "older", photograph), painted(before, "older", photograph)
    )
    assert (after.styles["wave"] != first.styles["wave"]).any()
    assert after.about["config"] == before.about["config"]
    assert list(after.about["added"][0]["paintings"]) == ["wave"]
    # Three photographs and the painting's row, two columns, each of 256 px with a frame of 4.
    with Image.open(preview) as picture:
        assert picture.size == (2 * 264, 4 * 264)
    assert scalars_in(tmp_path / "logs") == {*StepLosses._fields, "side"}


def scalars_in(folder):
    """Returns the names of the scalars in a folder, by TensorBoard's own reader."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder))
    found.Reload()
    return set(found.Tags()["tensors"])


@pytest.fixture
def still(monkeypatch):
    use_still_training(monkeypatch)


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize(("name", "told"), [("paintings", "wave"), ("config", "style_weight")])
def test_other_paintings_and_options_are_refused_by_name(pictures, base, tmp_path, name, told):
    painting, photos = pictures
    options = {"init_network": str(base), "checkpoint_dir": tmp_path / "checkpoints"}
    tf_style.train_network(painting, photos, **options, config=tiny_config())
    changed = tiny_config(steps=5, style_weight=7.0 if name == "config" else 3.0)
    if name == "paintings":
        write_pictures(tmp_path, ["wave.png", "other.png"])
    with pytest.raises(ValueError, match=f"the same {name}. Received: different {told}\\."):
        tf_style.train_network(painting, photos, **options, config=changed)


@pytest.mark.usefixtures("still")
def test_a_training_that_has_ended_goes_on_with_more_steps_only(pictures, base, tmp_path):
    options = {"init_network": str(base), "checkpoint_dir": tmp_path / "checkpoints"}
    tf_style.train_network(*pictures, **options, config=tiny_config())
    with pytest.raises(ValueError, match="`steps` must be more than .* had, 3. Received: steps=3"):
        tf_style.train_network(*pictures, **options, config=tiny_config())
    result = tf_style.train_network(*pictures, **options, config=tiny_config(steps=5))
    assert result.reached.step == 5


@pytest.mark.usefixtures("still")
def test_other_photographs_are_refused_only_if_the_bits_matter(pictures, base, tmp_path):
    painting, photos = pictures
    options = {"init_network": str(base), "checkpoint_dir": tmp_path / "checkpoints"}
    tf_style.train_network(painting, photos, **options, config=tiny_config(deterministic=False))
    (photos / "b.png").unlink()
    told = []
    more = tiny_config(deterministic=False, steps=4)
    tf_style.train_network(painting, photos, **options, config=more, notify=told.append)
    assert any("other files than before" in line for line in told)
    options["checkpoint_dir"] = tmp_path / "exact"
    tf_style.train_network(painting, photos, **options, config=tiny_config())
    (photos / "c.png").unlink()
    with pytest.raises(ValueError, match="the same photographs"):
        tf_style.train_network(painting, photos, **options, config=tiny_config(steps=4))


def test_photographs_are_known_by_folder_name_and_size(tmp_path):
    def identified():
        return run._photographs(tmp_path, TrainingFiles(), lambda _: None)[1]["sha256"]

    write_pictures(tmp_path, ["a.png"])
    write_pictures(tmp_path / "in", ["b.png"])
    first = identified()
    assert identified() == first
    (tmp_path / "in/b.png").rename(tmp_path / "b.png")
    moved = identified()
    write_pictures(tmp_path, ["b.png"], side=80)
    assert len({first, moved, identified()}) == 3


@pytest.mark.usefixtures("still")
def test_a_full_disk_does_not_end_the_training_and_older_files_stay(
    pictures, base, tmp_path, monkeypatch
):
    real, writes = atomic.write_atomically, []

    def full(path, fill):
        writes.append(path.suffix)
        if len(writes) > 6:  # Three steps with two files each have been written.
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, fill)

    monkeypatch.setattr(atomic, "write_atomically", full)
    output, folder = tmp_path / "wave.tfstyle", tmp_path / "checkpoints"
    told = []
    job = run_job(pictures[0], base, tiny_config(steps=9))
    files = TrainingFiles(output, None, folder, save_seconds=0.0, checkpoint_seconds=0.0)
    result = run.train(job, pictures[1], files, notify=told.append)
    assert result.status is TrainingStatus.DONE and result.reached.step == 9
    assert "No space left" in result.unsaved
    failures = [line for line in told if line.startswith("Could not write")]
    assert len(failures) == 3  # One for each file, and the last checkpoint.
    assert read_network(output).about["step"] == 3
    assert checkpoints.newest(folder, argument="resume").reached.step == 3


def run_job(painting, base, config):
    return prepare(painting, config, init_network=str(base))


@pytest.mark.usefixtures("still")
def test_bad_photographs_are_told_and_left_out(pictures, base):
    painting, photos = pictures
    (photos / "a.png").write_bytes(b"no picture")
    (photos / "notes.txt").write_text("no picture either")
    told = []
    job = run_job(painting, base, tiny_config())
    run.train(job, photos, TrainingFiles(), notify=told.append)
    assert any(line.startswith("a.png: left out") for line in told)
    assert any("1 file that is no picture" in line for line in told)
    assert any("3 photographs, and the network will know little" in line for line in told)
    for path in photos.glob("*.png"):
        path.write_bytes(b"no picture")
    with pytest.raises(ValueError, match="that can be read. Received: 3 damaged files"):
        run.train(job, photos, TrainingFiles())


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize("argument", ["style", "init_network", "add_to", "photos"])
def test_no_input_is_overwritten(pictures, base, argument):
    painting, photos = pictures
    photograph = photos / "a.png"
    start = {"init_network": str(base)} if argument != "add_to" else {"add_to": str(base)}
    files = {
        "style": {"preview": painting},
        "photos": {"preview": photograph},
    }.get(argument, {"output": base})
    before = [path.read_bytes() for path in (painting, photograph, base)]
    with pytest.raises(ValueError, match="must not overwrite another file of the run"):
        tf_style.train_network(painting, photograph, **start, **files, config=tiny_config())
    assert [path.read_bytes() for path in (painting, photograph, base)] == before


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize("kind", [tf.errors.OutOfRangeError, tf.errors.ResourceExhaustedError])
def test_a_full_disk_for_summaries_does_not_end_the_training(pictures, base, monkeypatch, kind):
    def full(_):
        raise kind(None, None, "logs/events.v2; No space left on device")

    monkeypatch.setattr(run, "scalars", lambda _: full)
    told = []
    job = run_job(pictures[0], base, tiny_config(steps=9))
    result = run.train(job, pictures[1], TrainingFiles(summaries="logs"), notify=told.append)
    assert result.status is TrainingStatus.DONE and result.reached.step == 9
    first, last = [line for line in told if line.startswith("Could not write")]
    assert first.startswith("Could not write the summaries of step 1: ")
    assert "No space left" in first and first.endswith("tries again after every step.")
    assert last.startswith("Could not write the last summaries: ")


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (tf.errors.ResourceExhaustedError(None, None, "OOM"), MemoryError),
        (DivergedError("The loss is nan."), DivergedError),
        (RuntimeError("on_progress"), RuntimeError),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_in_a_step_leaves_the_step_before_it(
    pictures, base, tmp_path, monkeypatch, error, kind
):
    stop_trainings(monkeypatch, error)
    files = TrainingFiles(tmp_path / "wave.tfstyle", tmp_path / "sheet.png", tmp_path / "folder")
    with pytest.raises(kind):
        run.train(run_job(pictures[0], base, tiny_config(steps=9)), pictures[1], files)
    assert read_network(files.output).about["step"] == 2
    assert checkpoints.newest(files.checkpoints, argument="resume").reached.step == 2
    assert files.preview.is_file()


@pytest.mark.usefixtures("still")
def test_numbers_that_do_not_fit_into_a_file_do_not_end_the_training(
    pictures, base, tmp_path, monkeypatch
):
    real = run.Training.network

    def network(self, state, about):
        found = real(self, state, about)
        large = 1e6 if about["step"] < 3 else 1.0
        return found._replace(styles={name: large + style for name, style in found.styles.items()})

    monkeypatch.setattr(run.Training, "network", network)
    output, told = tmp_path / "wave.tfstyle", []
    files = TrainingFiles(output, save_seconds=0.0)
    job = run_job(pictures[0], base, tiny_config())
    result = run.train(job, pictures[1], files, notify=told.append)
    assert not result.unsaved and read_network(output).about["step"] == 3
    (failure,) = [line for line in told if line.startswith("Could not write")]
    assert "of step 1: The network's numbers must be finite" in failure


@pytest.mark.usefixtures("still")
def test_styles_are_added_to_a_network_whose_record_is_not_of_this_kind(pictures, tmp_path):
    path = write_tiny_network(tmp_path / "base.tfstyle", "older")
    write_network(path, read_network(path)._replace(about={"added": 5}))
    result = tf_style.train_network(*pictures, config=tiny_config(), add_to=str(path))
    (added,) = result.network.about["added"]
    assert list(added["paintings"]) == ["wave"]
