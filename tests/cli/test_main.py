"""The command line: exit codes, messages, and runs from arguments to the saved picture."""

import contextlib
import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from tf_style.cli import (
    commands,
    export_command,
    interpolate_command,
    main,
    progress_bar,
    run,
    stylize_command,
)
from tf_style.cli.request import Request, RunOptions
from tf_style.config import presets, style_config
from tf_style.optimizers.solution import Status
from tf_style.provenance import description

RUN = [sys.executable, "-m", "tf_style"]


@pytest.fixture
def files(picture_file):
    return {"content": picture_file("content.png"), "style": picture_file("style.png", 30, 30)}


def arguments(files, output, **flags):
    """Returns the flags of a tiny run."""
    flags = {**files, "output": output, "size": 32, "steps": 3, **flags}
    return [f"--{name}={value}" for name, value in flags.items()]


@pytest.fixture
def job_of(monkeypatch):
    """Returns a function from a command line to the `Job` that it asks for; nothing is painted."""

    def parse(*command):
        jobs = []
        monkeypatch.setattr(stylize_command, "stylize", lambda job: jobs.append(job) or 0)
        assert main.main(list(command)) == 0
        return jobs[0]

    return parse


@pytest.mark.parametrize(
    "command",
    [
        "photo.jpg painting.jpg out.png --size=64 --color=match",
        "--size=64 photo.jpg painting.jpg out.png --color=match",
        "--size 64 photo.jpg --color match painting.jpg out.png",
        "photo.jpg --size=64 painting.jpg --color=match out.png",
        "photo.jpg painting.jpg -o out.png --size=64 --color=match",
        "-o=out.png photo.jpg painting.jpg --size=64 --color=match",
        "--style=painting.jpg photo.jpg out.png --size=64 --color=match",
        "painting.jpg out.png --size=64 --color=match --content photo.jpg",
        "--size=64 --color=match -- photo.jpg painting.jpg out.png",
    ],
)
def test_positional_arguments_equal_the_three_flags(job_of, command):
    flags = "--content=photo.jpg --style=painting.jpg --output=out.png --size=64 --color=match"
    expected = job_of(*flags.split())
    assert (expected.request.content, expected.request.styles) == ("photo.jpg", ("painting.jpg",))
    assert (expected.request.output, expected.settings.size) == ("out.png", 64)
    assert job_of(*command.split()) == expected


def test_several_paintings_may_be_one_positional_argument(job_of):
    assert job_of("photo.jpg", "a.jpg,b.jpg", "out.png").request.styles == ("a.jpg", "b.jpg")


def one_line(capsys, *command):
    """Returns the one line that a refused command writes."""
    assert main.main(list(command)) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("tf_style: ")
    assert len(printed.err.splitlines()) == 1
    return printed.err


def test_a_fourth_positional_argument_is_an_error(capsys):
    printed = one_line(capsys, "photo.jpg", "painting.jpg", "out.png", "512")
    assert "At most content, style, output can be given without a flag's name" in printed
    assert "'512'. Write options as flags, as in --size=1024." in printed


@pytest.mark.parametrize(
    ("command", "flag"),
    [
        ("fast", "size"),
        ("export", "height"),
        ("interpolate", "frames"),
        ("serve", "port"),
        ("fetch_weights", "weights"),
    ],
)
def test_every_command_refuses_a_repeated_flag(capsys, command, flag):
    printed = one_line(capsys, command, f"--{flag}=1", f"--{flag}=2")
    assert f"`{flag}` must be given once. Received: --{flag}=1 --{flag}=2." in printed


def test_missing_pictures_are_named_with_an_example(capsys):
    printed = one_line(capsys, "photo.jpg")
    assert "--style, --output must be given, as in: tf_style photo.jpg painting.jpg out" in printed


@pytest.mark.parametrize(
    ("word", "command"),
    [("exprt", "export"), ("interpolat", "interpolate"), ("fetch-weights", "fetch_weights")],
)
def test_a_mistyped_command_is_suggested(capsys, word, command):
    printed = one_line(capsys, word, "--size=64")
    assert f"There is no command {word!r}. Did you mean {command!r}?" in printed


def test_a_file_is_not_taken_for_a_mistyped_command(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("exports").mkdir()
    for name in ("exports", "serve.jpg"):
        assert "must be given" in one_line(capsys, name)


def flags_in(text):
    """Returns the flags that a help text lists, in order."""
    return re.findall(r"^  --(\w+)$", text, re.MULTILINE)


def test_help_shows_the_most_useful_flags_and_one_example_in_under_a_second():
    code = "import sys, tf_style.cli.main as c; c.main(['--help']); print(sorted(sys.modules))"
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - start
    text, _, modules = done.stdout.rstrip().rpartition("\n")
    assert "'tensorflow'" not in modules
    assert "'keras'" not in modules
    assert flags_in(text) == list(stylize_command.COMMON)
    assert len(stylize_command.COMMON) == 11
    assert len(re.findall(r"^  tf_style photo", text, re.MULTILINE)) == 1
    assert f"\nPresets: {', '.join(presets.PRESETS)}.\n" in text
    assert all(f"  tf_style {name} " in text for name in commands.COMMANDS)
    assert seconds < 1.0


def test_helpfull_shows_every_flag_in_groups(capsys):
    assert main.main(["--helpfull"]) == 0
    text = capsys.readouterr().out
    assert "[]" not in text and "[None]" not in text  # Defaults that say nothing.
    assert sorted(flags_in(text)) == sorted(stylize_command.make_flags())
    groups = re.split(r"^(\S.*):$", text, flags=re.MULTILINE)
    flags = {name: flags_in(part) for name, part in zip(groups[1::2], groups[2::2], strict=True)}
    assert flags["Pictures and files"][:3] == ["content", "style", "output"]
    assert "pooling" in flags["Network"]
    assert "style_weight" in flags["Loss"]
    assert "steps" in flags["Optimizer"]
    assert "memory_limit" in flags["Computing"]
    assert "style_blend" in flags["Several styles, and regions"]
    assert "size" in flags["Main settings"]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("interpolate", interpolate_command.InterpolateOptions),
        ("export", export_command.ExportOptions),
    ],
)
def test_help_of_a_command_shows_its_own_flags_and_helpfull_all(capsys, name, options):
    own = [field.name for field in dataclasses.fields(options)]
    assert main.main([name, "--help"]) == 0
    assert flags_in(capsys.readouterr().out) == own
    assert main.main([name, "--helpfull"]) == 0
    every = flags_in(capsys.readouterr().out)
    assert every[: len(own)] == own
    assert {"size", "style_weight", "pooling", "steps"} <= set(every)


def test_importing_the_package_imports_no_tensorflow():
    code = "import sys, tf_style; tf_style.StyleConfig; sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_version_is_printed(capsys):
    assert main.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("tf_style ")


@pytest.mark.usefixtures("mini_network")
def test_a_run_writes_picture_trace_config_and_snapshots(files, tmp_path, capsys):
    output = tmp_path / "out.png"
    trace, saved = tmp_path / "trace.jsonl", tmp_path / "config.json"
    code = main.main(
        arguments(files, output, trace=trace, save_config=saved, save_every=1, preset="gatys2016")
    )
    printed = capsys.readouterr().err
    assert code == 0, printed
    assert f"Saved {output}: 32x26 px, step 3 of 3" in printed
    with Image.open(output) as picture:
        assert picture.size == (32, 26)
    lines = [json.loads(line) for line in trace.read_text().splitlines()]
    assert lines[-1]["step"] == 3
    assert {"evaluations", "seconds", "total", "content", "style", "variation"} <= set(lines[0])
    assert lines[-1]["size"] == [26, 32]
    assert lines[-1]["loss"] == pytest.approx(lines[-1]["total"], rel=1e-2)
    expected = style_config.preset("gatys2016").replace(size=32, steps=3)
    assert style_config.StyleConfig.from_json(saved.read_text()) == expected
    assert description.read_description(output)["config"] == expected.to_dict()
    assert (tmp_path / "out_00001.png").exists()
    # The saved config and the picture each repeat the run exactly.
    for source in (saved, output):
        again = tmp_path / "again.png"
        plain = [f"--{name}={path}" for name, path in files.items()]
        assert main.main([*plain, f"--output={again}", f"--config={source}"]) == 0
        np.testing.assert_array_equal(np.asarray(Image.open(again)), np.asarray(Image.open(output)))


@pytest.mark.usefixtures("mini_network")
def test_a_dry_run_writes_the_settings_that_are_asked_for_and_nothing_else(files, tmp_path, capsys):
    saved = tmp_path / "config.json"
    flags = arguments(files, tmp_path / "out.png", save_config=saved, dry_run=True)
    before = {*tmp_path.iterdir()}
    assert main.main(flags) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"Saved the settings as {saved}"
    assert {*tmp_path.iterdir()} == before | {saved}
    expected = style_config.StyleConfig().replace(size=32, steps=3)
    assert style_config.StyleConfig.from_json(saved.read_text()) == expected


@pytest.mark.usefixtures("mini_network")
def test_a_dry_run_tells_what_will_be_left_out(files, tmp_path, capsys):
    pixels = np.asarray(Image.open(files["content"]).convert("RGBA")).copy()
    pixels[:8, :, 3] = 0
    Image.fromarray(pixels // 16 * np.array([1, 1, 1, 16], np.uint8)).save(files["content"])
    assert main.main(arguments(files, tmp_path / "out.jpg", dry_run=True)) == 0
    told = capsys.readouterr().out
    assert "`content` is very dark" in told
    assert "`output` is a JPEG, which has no alpha" in told


@pytest.mark.usefixtures("mini_network")
def test_picture_and_snapshots_have_16_bits(files, tmp_path, capsys):
    output = tmp_path / "out.tif"
    code = main.main(arguments(files, output, bits=16, save_every=2, scales="none"))
    assert code == 0, capsys.readouterr().err
    found = {path.stem: tifffile.imread(path) for path in tmp_path.glob("out*.tif")}
    assert set(found) == {"out", "out_00002"}
    for pixels in found.values():
        assert pixels.dtype == np.uint16 and pixels.shape == (26, 32, 3)
        # Values of 8 bits would be multiples of 257.
        assert np.unique(pixels % 257).size > 100


@pytest.mark.usefixtures("mini_network")
@pytest.mark.parametrize("color", ["content", "match", "luminance"])
def test_picture_snapshot_and_repeated_run_have_the_same_colors(files, tmp_path, color, capsys):
    saved = {}
    for name in ("style", color):
        output = saved[name] = tmp_path / f"out_{name}.png"
        flags = arguments(files, output, color=name, save_every=1, scales="none")
        assert main.main(flags) == 0, capsys.readouterr().err
    plain, colored = (np.asarray(Image.open(path), np.float64) for path in saved.values())
    assert np.abs(plain - colored).max() > 8
    last = np.asarray(Image.open(tmp_path / f"out_{color}_00003.png"))
    np.testing.assert_array_equal(last, colored)
    again = tmp_path / "again.png"
    inputs = [f"--{name}={path}" for name, path in files.items()]
    assert main.main([*inputs, f"--output={again}", f"--config={saved[color]}"]) == 0
    np.testing.assert_array_equal(np.asarray(Image.open(again)), colored)


@pytest.mark.usefixtures("mini_network")
@pytest.mark.parametrize("flag", ["", "--nometadata", "--no_metadata", "--no-metadata"])
def test_metadata_of_the_photograph_is_kept_unless_it_shall_not(files, tmp_path, flag, capsys):
    exif = Image.Exif()
    exif[0x013B] = "Artist"
    Image.new("RGB", (40, 32), "olive").save(tmp_path / "photo.jpg", exif=exif)
    files["content"], output = tmp_path / "photo.jpg", tmp_path / "out.png"
    command = [*arguments(files, output, steps=2, scales="none", save_every=1), flag]
    assert main.main(list(filter(None, command))) == 0, capsys.readouterr().err
    for path in (output, tmp_path / "out_00001.png"):
        with Image.open(path) as picture:
            found = dict(picture.getexif())
            assert "icc_profile" in picture.info
        assert found.get(0x013B) == (None if flag else "Artist")
        assert bool(found) != bool(flag)


def bad(name, **flags):
    return pytest.param(flags, id=name)


@pytest.mark.parametrize(
    "flags",
    [
        bad("missing file", content="missing.png"),
        bad("missing style", style="missing.png"),
        bad("folder", content="."),
        bad("text named jpg", content="text.jpg"),
        bad("1x1", content="dot.png"),
        bad("10x4000", style="line.png"),
        bad("unknown flag", contend="x"),
        bad("unknown flag similar to -v", v="1"),
        bad("unknown flag of 5000 letters", **{"x" * 5000: "x"}),
        bad("content of 5000 letters", content="x" * 5000),
        bad("home folder of an unknown user", content="~nobody/a.png"),
        bad("not a number", style_weight="much"),
        bad("unknown layer", style_layers="conv6_1"),
        bad("negative weight", content_weight="-1"),
        bad("unknown preset", preset="gaty2016"),
        bad("unknown optimizer", optimizer="lbfsg"),
        bad("unknown init", init="contents"),
        bad("unknown color", color="contents"),
        bad("color match without color", color_match="symmetric"),
        bad("output is an input", output="content.png"),
        bad("output without suffix", output="out"),
        bad("output in no folder", output="no/out.png"),
        bad("output is a folder", output="folder.png"),
        bad("no output", output=""),
        bad("config is missing", config="none.json"),
        bad("config is broken", config="broken.json"),
        bad("config is no object", config="list.json"),
        bad("config has an unknown option", config="unknown.json"),
        bad("config is a foreign picture", config="content.png"),
        bad("config is binary", config="binary.json"),
        bad("config and preset", config="good.json", preset="default"),
        bad("trace in no folder", trace="no/trace.jsonl"),
        bad("trace over the content", trace="content.png"),
        bad("trace over the output", trace="out.png"),
        bad("no loss", content_weight="0", style_weight="0"),
        bad("neither true nor false", normalized="maybe"),
        bad("scales without steps", scales="0.5,1"),
        bad("unknown precision", precision="float16"),
        bad("negative budget", time_budget="-5"),
        bad("budget and deterministic", time_budget="5", deterministic="true"),
        bad("huge seed", seed="9" * 400),
        bad("huge size", size="30000"),
        bad("weights are missing", weights="vgg.npz"),
        bad("weights are text", weights="text.npz"),
        bad("negative save_every", save_every="-1"),
        bad("negative checkpoint_seconds", checkpoint_seconds="-1", save_config="new.json"),
        bad("checkpoints among other files", checkpoint_dir="."),
        bad("checkpoints in a file", checkpoint_dir="text.jpg"),
        bad("resume with other flags", resume="folder.png"),
    ],
)
def test_bad_input_gets_one_line_and_exit_code_2(files, tmp_path, monkeypatch, capsys, flags):
    monkeypatch.chdir(tmp_path)
    Path("text.jpg").write_text("no picture")
    Path("text.npz").write_text("no weights")
    Path("folder.png").mkdir()
    Path("broken.json").write_text("{")
    Path("list.json").write_text("[]")
    Path("unknown.json").write_text('{"stile_weight": 1}')
    Path("good.json").write_text("{}")
    Path("binary.json").write_bytes(b"\xff\xfe\x00")
    Image.new("RGB", (1, 1)).save("dot.png")
    Image.new("RGB", (10, 4000)).save("line.png")
    before = {path: path.stat().st_size for path in tmp_path.iterdir()}
    one_line(capsys, *arguments(files, **{"output": "out.png", **flags}))
    assert {path: path.stat().st_size for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("argument", ["--v", "verbose", "---verbose"])
def test_only_v_and_verbose_show_a_traceback(argument, capsys):
    one_line(capsys, "fetch_weights", argument)


class Picture:
    """A stand-in for `Progress`, with what a run shows and saves."""

    phase = "picture"

    def __init__(self, step=1, save=None):
        self.step, self.num_steps, self.num_evaluations, self.seconds = step, 9, step, 0.0
        self.terms = {"total": 1.0, "content": 1.0, "style": 0.0, "variation": 0.0}
        self.image = np.zeros((1, 4, 5, 3))
        self.stage_size, self.loss = (4, 5), 1.0
        self.status = Status.STEPS_USED
        write = save or (lambda path: Path(path).write_text(f"picture of step {step}"))
        self.save = lambda path, *, bits, metadata: write(path)


@pytest.fixture
def make_run(tmp_path, monkeypatch):
    """Returns a function that makes a run whose worker plays a list of events."""

    def make(events, sources=(), **request):
        options = RunOptions(**{"output": str(tmp_path / "out.png"), **request})
        request = Request.of(options, style_config.StyleConfig())
        work = run.Run(None, None, request, sources, progress_bar.Silent(), False)

        def do(work):
            for event in events:
                event(work)

        monkeypatch.setattr(run.Run, "_work", do)
        return work

    return make


def shows(picture):
    return lambda work: work._on_progress(picture)


def finishes(picture):
    return lambda work: work._events.put(lambda: work._finish(picture))


def fails(error):
    return lambda work: work._events.put(lambda: work._failed(error))


def interrupts(work):
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.05)


def test_ctrl_c_while_the_picture_is_saved_does_not_lose_it(make_run, tmp_path):
    def save(path):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        Path(path).write_text("whole")

    assert make_run([finishes(Picture(save=save))]).start() == 0
    assert (tmp_path / "out.png").read_text() == "whole"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_ctrl_c_leaves_with_the_last_picture(make_run, tmp_path, capsys):
    work = make_run([shows(Picture(3)), interrupts, interrupts])
    assert work.start() == 130
    assert work.left_at_once
    assert (tmp_path / "out.png").read_text() == "picture of step 3"
    assert "Stopped after 3 steps; saved" in capsys.readouterr().err


def test_ctrl_c_twice_before_the_first_step_says_that_nothing_was_saved(make_run, capsys):
    assert make_run([interrupts, interrupts]).start() == 130
    assert "nothing was saved" in capsys.readouterr().err


def test_a_picture_that_cannot_be_written_is_saved_elsewhere(
    make_run, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    work = make_run([finishes(Picture())], output=str(tmp_path / "gone" / "out.png"))
    assert work.start() == 2
    assert (tmp_path / "tf_style_out.png").exists()
    assert "Saved" in capsys.readouterr().err


def test_an_error_during_the_run_saves_the_last_picture(make_run, tmp_path, capsys):
    work = make_run([shows(Picture(4)), fails(FloatingPointError("not finite"))])
    with pytest.raises(FloatingPointError):
        work.start()
    assert "Saved the picture of step 4 as " in capsys.readouterr().err
    assert (tmp_path / "out.png").exists()


def test_a_full_disk_ends_the_trace_and_the_snapshots_but_not_the_run(make_run, tmp_path, capsys):
    def no_space(path):
        if "out_" in Path(path).name:
            raise OSError("No space left on device")
        Path(path).write_text("picture")

    work = make_run(
        [shows(Picture(2, no_space)), finishes(Picture(9, no_space))],
        save_every=2,
        trace="/dev/full",
    )
    assert work.start() == 0
    printed = capsys.readouterr().err
    assert "No snapshot of step 2" in printed
    assert "The trace ends here" in printed
    assert (tmp_path / "out.png").read_text() == "picture"


def test_a_snapshot_does_not_overwrite_an_input(make_run, tmp_path, capsys):
    source = tmp_path / "out_00002.png"
    source.write_text("start picture")
    work = make_run([shows(Picture(2)), finishes(Picture(9))], save_every=2, sources=[source])
    assert work.start() == 0
    assert source.read_text() == "start picture"
    assert "is an input" in capsys.readouterr().err


def test_a_closed_stderr_does_not_end_the_run(make_run, tmp_path, monkeypatch):
    class Closed:
        def write(self, text):
            raise BrokenPipeError

        flush = isatty = write

    monkeypatch.setattr(sys, "stderr", Closed())
    work = make_run([shows(Picture(2)), finishes(Picture(9))])
    assert work.start() == 0
    assert (tmp_path / "out.png").exists()


@pytest.mark.weights
@pytest.mark.slow
@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_saves_the_picture_and_says_so(files, tmp_path, which):
    output, trace = tmp_path / "out.png", tmp_path / "trace.jsonl"
    # Slices of 20 steps are shorter than the usual 5 seconds.
    flags = arguments(files, output, trace=trace, steps=100000, size=64, save_every=20)
    command = [*RUN, *flags]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    with contextlib.closing(process.stderr):
        deadline = time.monotonic() + 120
        while not (trace.exists() and trace.read_text()):
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.2)
        process.send_signal(which)
        printed = process.stderr.read()
        assert process.wait(timeout=60) == 130
    assert "Stopping after the current step" in printed
    assert "Stopped on request" in printed
    assert description.read_description(output)["config"]["steps"] == 100000


@pytest.mark.weights
@pytest.mark.slow
def test_the_real_program_runs_quietly(files, tmp_path):
    output = tmp_path / "out.webp"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TF_CPP")}
    done = subprocess.run(
        [*RUN, *arguments(files, output, steps=2), "--quiet"],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    with Image.open(output) as picture:
        assert (picture.format, picture.size) == ("WEBP", (32, 26))


def test_a_mistyped_command_with_flags_is_suggested(capsys):
    assert main.main(["exprt", "--portable"]) == 2
    assert "Did you mean 'export'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TypeError("unsupported operand"), 1),
        (TypeError("`size` must be of type int."), 2),
        (ImportError("No module named 'x'", name="x"), 1),
        (ImportError("pyvips is missing. Please install it."), 2),
        (ValueError("`size` must be at least 0."), 2),
    ],
)
def test_a_bug_has_a_traceback_and_exit_code_1(error, code, monkeypatch, capsys):
    def fails(arguments):
        raise error

    monkeypatch.setattr(main.commands, "run", fails)
    assert main.main([]) == code
    assert ("Traceback" in capsys.readouterr().err) == (code == 1)
