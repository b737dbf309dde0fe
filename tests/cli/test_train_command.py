"""`tf_style train`: flags, messages and exit codes; its steps change nothing here."""

import errno
import os
import re
import signal
import tempfile

import pytest
import tensorflow as tf
from mini_training import (
    TINY,
    stop_trainings,
    use_still_training,
    write_pictures,
    write_tiny_network,
)

from tf_style.cli import flags, main, train_command, train_request
from tf_style.cli.train_request import FIELDS, TrainingRequest, TrainOptions
from tf_style.config.loss import LossConfig
from tf_style.config.training import TrainingConfig
from tf_style.feedforward.network_file import read_network
from tf_style.files import atomic, checkpoint_folder
from tf_style.training import checkpoints, run
from tf_style.training.preparation import TrainingJob
from tf_style.training.training import DivergedError


@pytest.fixture(autouse=True)
def small(monkeypatch, mini_network):
    use_still_training(monkeypatch)


@pytest.fixture
def given(tmp_path, monkeypatch):
    """The flags of a tiny training, by name; the folder with its files is the current one."""
    monkeypatch.chdir(tmp_path)
    write_pictures(tmp_path, ["wave.png", "scream.png"])
    write_pictures(tmp_path / "photos", ["a.png", "b.png"])
    write_tiny_network(tmp_path / "base.tfstyle", "older")
    return {
        "style": "wave.png",
        "photos": "photos",
        "output": "new.tfstyle",
        "init_network": "base.tfstyle",
        "preview": "none",
        **TINY,
    }


def run_with(given, **others):
    """Runs the command with these flags, without those that are None; returns the exit code."""
    named = {name: value for name, value in {**given, **others}.items() if value is not None}
    return main.main(["train", *(f"--{name}={value}" for name, value in named.items())])


def parsed(*arguments):
    return flags.parse(flags.make_flags(train_command.table()), arguments)


def test_flags_are_the_fields_of_the_config_with_the_defaults_of_a_training():
    assert train_request.config_of(parsed()) == TrainingConfig()
    values = parsed()
    shown = {name: values[name].value for name in FIELDS}
    loss = TrainingConfig().loss
    assert shown["style_weight"] == loss.style_weight
    assert shown["content_power"] == loss.content_power == 2.0 != LossConfig().content_power
    assert re.findall(r":([\d.]+)", shown["style_layers"]) == ["0.5", "0.5", "0.5", "0.3", "0.1"]
    assert shown["style_loss"] == loss.style_loss != LossConfig().style_loss
    changed = parsed("--style_strength=2", "--minutes=5", "--content_layers=conv3_1", "--seed=4")
    config = train_request.config_of(changed)
    assert (config.loss.style_strength, config.minutes, config.seed) == (2.0, 5.0, 4)
    assert config.loss.content_layers == (("block3_conv1", 1.0),)
    assert config.loss.style_weight == loss.style_weight


def test_every_option_of_a_training_is_a_flag_except_what_it_does_not_use():
    assert not {"mask_mode", "jit_compile", "memory_limit", "time_budget"} & set(FIELDS)
    assert {"minutes", "style_edge", "any_share", "weights", "precision", "tv_form"} <= set(FIELDS)


def test_a_training_writes_the_network_and_says_how_to_go_on(given, capsys):
    assert run_with(given, style="wave.png,b=scream.png") == 0
    network = read_network("new.tfstyle")
    assert list(network.styles) == ["wave", "b"]
    assert network.about["config"]["steps"] == 3
    printed = capsys.readouterr().err
    assert "Saved new.tfstyle: 2 styles, step 3" in printed
    assert "tf_style train --resume=new.tfstyle.checkpoint --steps=6" in printed
    assert run_with({}, resume="new.tfstyle.checkpoint", steps=5) == 0
    assert read_network("new.tfstyle").about["step"] == 5


def test_a_resumed_training_has_one_length(given, capsys):
    assert run_with(given) == 0
    assert run_with({}, resume="new.tfstyle.checkpoint", steps=500, minutes=20) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert "Cannot use `minutes` with `steps`" in last and "minutes=20, steps=500" in last


@pytest.mark.parametrize(
    ("options", "expected"),
    [({"steps": 500_000}, "--steps=1000000"), ({"minutes": 2.5}, "--minutes=5")],
)
def test_the_command_that_trains_longer_has_the_number_in_full(tmp_path, options, expected):
    (tmp_path / "00000001.checkpoint").write_bytes(b"")
    job = TrainingJob(TrainingConfig(**options), {}, None, False, {})
    work = train_command._Work(None, job, tmp_path)
    assert train_command._resume_hint(work, is_cancelled=False).endswith(f" {expected}")


def test_a_checkpoint_knows_its_files_from_everywhere(given, monkeypatch, tmp_path):
    """Their names may be those of other options' choices."""
    (tmp_path / "photos").rename(tmp_path / "content")
    (tmp_path / "wave.png").rename(tmp_path / "noise")
    assert run_with(given, photos="content", style="noise", summary_dir="logs") == 0
    monkeypatch.chdir("/")
    assert run_with({}, resume=tmp_path / "new.tfstyle.checkpoint", steps=4) == 0
    record = checkpoints.newest(tmp_path / "new.tfstyle.checkpoint", argument="resume")
    assert record.file.description["run"]["summary_dir"] == str(tmp_path / "logs")


def test_addresses_and_networks_by_name_are_saved_as_they_are(given, tmp_path):
    (tmp_path / "default").write_bytes(b"")
    options = {**given, "summary_dir": "gs://bucket/logs", "init_network": "default"}
    names = ("style", "photos", "output", "summary_dir", "init_network")
    values = parsed(*(f"--{name}={options[name]}" for name in names))
    saved = TrainingRequest.of(flags.of_type(TrainOptions, values)).to_dict()
    assert saved["summary_dir"] == "gs://bucket/logs"
    assert saved["init_network"] == "default"


def test_the_preview_is_beside_the_network(given, tmp_path):
    assert run_with(given, preview=None, style="painted=wave.png", steps=1) == 0
    assert (tmp_path / "new_preview.png").is_file()
    assert run_with(given, output="other.tfstyle", preview="new_preview.png") == 2


def interrupting(monkeypatch, *, times):
    """Makes each training send itself SIGINT after its second step."""
    real = run.train

    def train(*arguments, on_progress, **options):
        def interrupted(progress):
            on_progress(progress)
            if progress.reached.step == 2:
                for _ in range(times):
                    os.kill(os.getpid(), signal.SIGINT)

        return real(*arguments, on_progress=interrupted, **options)

    monkeypatch.setattr(run, "train", train)


def test_ctrl_c_saves_and_the_training_can_be_resumed(given, monkeypatch, capsys, tmp_path):
    with monkeypatch.context() as patch:
        interrupting(patch, times=1)
        assert run_with(given) == 130
    printed = capsys.readouterr().err
    assert "Stopping after the current step" in printed
    assert "step 2, 20 s. Stopped on request." in printed
    assert "To resume: tf_style train --resume=new.tfstyle.checkpoint" in printed
    assert read_network("new.tfstyle").about["step"] == 2
    monkeypatch.chdir("/")
    assert run_with({}, resume=tmp_path / "new.tfstyle.checkpoint") == 0
    assert read_network(tmp_path / "new.tfstyle").about["step"] == 3


def test_the_second_ctrl_c_ends_at_once_and_files_stay(given, monkeypatch, capsys):
    interrupting(monkeypatch, times=2)
    assert run_with(given, save_seconds=0, checkpoint_seconds=0) == 130
    printed = capsys.readouterr().err
    assert "Stopped at once. new.tfstyle is the network as last saved. To resume: " in printed
    assert read_network("new.tfstyle").about["step"] == 1


def test_a_network_that_cannot_be_written_at_last_is_saved_elsewhere(
    given, monkeypatch, capsys, tmp_path
):
    spare = tmp_path / "spare"
    spare.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(spare))
    real = atomic.write_atomically

    def full(path, fill):
        if path.name == "new.tfstyle":
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, fill)

    monkeypatch.setattr(atomic, "write_atomically", full)
    assert run_with(given) == 2
    assert "No space left on device. Saved " in capsys.readouterr().err
    assert list(read_network(spare / "tf_style_new.tfstyle").styles) == ["wave"]


def test_losses_that_are_no_numbers_end_with_one_line(given, monkeypatch, capsys):
    def diverged(*_):
        raise DivergedError("The training's loss is nan.")

    monkeypatch.setattr(run.Training, "steps", diverged)
    assert run_with(given) == 2
    assert capsys.readouterr().err.splitlines()[-1] == "tf_style: The training's loss is nan."


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (DivergedError("The training's loss is nan."), "The training's loss is nan."),
        (
            tf.errors.ResourceExhaustedError(None, None, "OOM"),
            "A step of the training must fit into memory. Received: batch=1, crops='64'. Use "
            "smaller ones.",
        ),
    ],
    ids=["diverged", "memory"],
)
def test_an_error_in_the_middle_keeps_what_was_reached(given, monkeypatch, capsys, error, told):
    stop_trainings(monkeypatch, error)
    assert run_with(given) == 2
    left, last = capsys.readouterr().err.splitlines()[-2:]
    assert left.startswith("new.tfstyle is the network as last saved.")
    assert (" To resume: " in left) is not isinstance(error, DivergedError)
    assert last == f"tf_style: {told}"
    assert read_network("new.tfstyle").about["step"] == 2


BAD = [
    ({"style": "no.png"}, "`style` must be an existing file. Received: style='no.png'"),
    ({"style": None}, "--style must be given"),
    ({"photos": "none"}, "`photos` must be a folder of photographs. Received: photos='none'"),
    ({"photos": "empty"}, "`photos` must have at least one photograph"),
    ({"photos": "bad"}, "must have at least one photograph that can be read"),
    ({"style": "wave.png,photos/wave=wave.png"}, "name 'photos/wave'. Write --style=NAME=FILE"),
    ({"style": "wave.png,sub/wave.png"}, "the name 'wave' twice. Write --style=NAME=FILE"),
    ({"style": "tiny.png"}, "`style` must have at least 16 px on each side"),
    ({"style": "flat.png", "style_edge": 64}, "which becomes 64x13 px"),
    ({"style": "bad/a.png"}, "`style` must be a picture"),
    ({"output": "new.png"}, "`output` must end in .tfstyle. Received: output='new.png'. Write"),
    ({"output": "no/new.tfstyle"}, "`output` must be in an existing folder"),
    ({"output": "base.tfstyle"}, "`output` must not overwrite another file of the run"),
    ({"output": "old.tfstyle"}, "Give --overwrite to replace it"),
    ({"preview": "wave.png"}, "`preview` must not overwrite another file of the run"),
    ({"preview": "sheet.txt"}, "`preview` must end in"),
    ({"steps": 0, "minutes": 0, "deterministic": None}, "`minutes` must lie within 0.01.."),
    ({"minutes": 3}, "Cannot use `minutes` with `steps`"),
    ({"photos": "photos/a.png", "preview": "photos/a.png"}, "`preview` must not overwrite"),
    ({"steps": None}, "Cannot use `deterministic` without `steps`"),
    ({"crops": "7"}, "`crops` must be whole numbers within 64..2048"),
    ({"stability_weight": -1}, "`stability_weight` must lie within"),
    ({"init_network": "none.tfstyle"}, "`init_network` must be an existing file"),
    ({"init_network": "cut.tfstyle"}, "'cut.tfstyle' is truncated or damaged"),
    ({"init_network": "next.tfstyle"}, "'next.tfstyle' must have format 1. Received: format '2'"),
    ({"add_to": "base.tfstyle"}, "Cannot use `init_network` with `add_to`"),
    (
        {"add_to": "base.tfstyle", "init_network": None, "style": "older=wave.png"},
        "`style` must be new to the network. Received: the name 'older', which add_to=",
    ),
    (
        {"add_to": "base.tfstyle", "init_network": None, "any_share": 1.0},
        "Cannot use `any_share` with `add_to`",
    ),
    ({"resume": ""}, "`resume` must name a folder of checkpoints"),
    ({"resume": "folder"}, "Cannot use "),
    ({"mask_mode": "all"}, "There is no flag --mask_mode"),
    ({"save_seconds": -1}, "`save_seconds` must lie within"),
    ({"summary_dir": "wave.png"}, "`summary_dir` must be a folder"),
    ({"summary_dir": "wave.png/logs"}, "`summary_dir` must be a folder that can be made"),
    ({"checkpoint_dir": "wave.png"}, "`checkpoint_dir` must be a folder"),
    ({"checkpoint_dir": "photos"}, "`checkpoint_dir` must be a folder with nothing but"),
]


@pytest.mark.parametrize(("flags_given", "message"), BAD, ids=lambda value: str(value)[:40])
def test_bad_input_ends_with_one_line_and_changes_nothing(
    given, tmp_path, capsys, flags_given, message
):
    write_pictures(tmp_path, ["tiny.png"], side=9)
    write_pictures(tmp_path / "sub", ["wave.png"])
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/a.png").write_bytes(b"no picture")
    write_flat(tmp_path / "flat.png")
    whole = (tmp_path / "base.tfstyle").read_bytes()
    (tmp_path / "old.tfstyle").write_bytes(whole)
    (tmp_path / "cut.tfstyle").write_bytes(whole[:-100])
    (tmp_path / "next.tfstyle").write_bytes(whole.replace(b"network 1", b"network 2", 1))
    if flags_given.get("resume"):
        run_with(given, checkpoint_dir="folder", output="first.tfstyle")
        capsys.readouterr()
    before = files_in(tmp_path)
    assert run_with(given, **flags_given) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("tf_style: ") and message in last
    assert files_in(tmp_path) == before


def write_flat(path):
    from PIL import Image

    Image.radial_gradient("L").resize((320, 64)).convert("RGB").save(path)


def files_in(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_one_photograph_is_enough_and_told(given, tmp_path, capsys):
    assert run_with(given, photos="photos/a.png") == 0
    assert "`photos` has 1 photograph, and the network will" in capsys.readouterr().err


@pytest.fixture
def interrupted(given, monkeypatch, capsys):
    """The folder of the checkpoints of an interrupted training."""
    with monkeypatch.context() as patch:
        interrupting(patch, times=1)
        assert run_with(given, checkpoint_seconds=0, checkpoint_dir="folder") == 130
    capsys.readouterr()
    return checkpoint_folder.checkpoints_in(train_command.user_path("folder"))


def test_a_damaged_checkpoint_is_told_with_the_one_before_it(interrupted, capsys):
    _, newest = interrupted
    newest.write_bytes(newest.read_bytes()[:-1])
    assert run_with({}, resume="folder") == 2
    assert f"of step 1, is intact: remove '{newest}'" in capsys.readouterr().err
    newest.unlink()
    assert run_with({}, resume="folder") == 0
    assert read_network("new.tfstyle").about["step"] == 3


def test_a_painting_that_has_changed_is_refused(interrupted, tmp_path, capsys):
    write_pictures(tmp_path, ["wave.png"], side=80)
    assert run_with({}, resume="folder") == 2
    assert "with the same paintings. Received: different wave." in capsys.readouterr().err


def test_a_checkpoint_of_another_version_is_refused(interrupted, monkeypatch, capsys):
    monkeypatch.setattr(checkpoints, "__version__", "9.9.9")
    assert run_with({}, resume="folder") == 2
    assert "must be from tf_style 9.9.9. Received: version" in capsys.readouterr().err


def test_the_folder_of_another_training_is_kept(interrupted, given, capsys):
    assert run_with(given, checkpoint_dir="folder", output="other.tfstyle") == 2
    assert "must not hold the training of another network" in capsys.readouterr().err
    assert run_with(given, checkpoint_dir="folder", overwrite="true") == 0
    assert "folder holds a training of new.tfstyle, at step 2" in capsys.readouterr().err


def test_progress_shows_losses_steps_and_the_time_that_is_left(given):
    view = train_command._view(TrainingConfig(minutes=1.0))
    state = run.TrainingProgress(
        run.Reached(4, 15.0), 0.25, run.StepLosses(2.0, 0.5, 0.25, 0.125, 0.0, 0.0, 1.0), 96, None
    )
    assert view(state) == (15.0, 60.0, "4", "96 px, content 0.500, style 0.250, stability 0.1250",
                           "45 s left")  # fmt: skip
    steps = train_command._view(TrainingConfig(steps=16))
    assert steps(state)[:3] == (4.0, 16.0, "4/16")
    assert steps(state).time == "45 s left"
