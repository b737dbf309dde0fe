"""Progress and stopping: callbacks every so many steps, cancellation, summaries, asyncio."""

import asyncio
import functools
import itertools
import threading
import time
from pathlib import Path

import keras
import numpy as np
import pytest

import tf_style
from tf_style.keras import progress_callbacks
from tf_style.optimizers.solution import Status

pytestmark = pytest.mark.usefixtures("mini_network")


def config(**options):
    return tf_style.StyleConfig().replace(
        **{"size": 48, "steps": 12, "scales": "none", "optimizer": "adam", **options}
    )


def pictures(seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (*size, 3), np.uint8) for size in ((36, 48), (40, 40))]


@pytest.mark.parametrize("optimizer", ["lbfgs", "tfp_lbfgs", "adam"])
def test_progress_is_called_at_every_multiple_of_the_steps_of_all_sizes(optimizer):
    seen = []
    chosen = config(optimizer=optimizer, scales="0.5:7,1:12")
    result = tf_style.stylize(*pictures(), config=chosen, on_progress=seen.append, progress_every=5)
    assert result.step == 19
    assert [(each.step, each.stage_size[1]) for each in seen] == [(5, 24), (10, 48), (15, 48)]


def test_without_progress_every_slices_decide_as_before():
    seen = []
    tf_style.stylize(*pictures(), config=config(), on_progress=seen.append)
    steps = [each.step for each in seen]
    assert (steps[0], steps[-1]) == (1, 12)
    assert len(steps) < 12


@pytest.mark.parametrize("wrong", [2.5, 2.0, "2", True, np.True_, float("nan"), [2]])
def test_progress_every_is_an_integer(wrong):
    with pytest.raises(TypeError, match="^`progress_every` must be of type int. Received: .*=.+"):
        tf_style.stylize(*pictures(), progress_every=wrong)


def test_progress_every_may_be_numpys():
    seen = []
    tf_style.stylize(
        *pictures(), config=config(), on_progress=seen.append, progress_every=np.int64(6)
    )
    assert [each.step for each in seen] == [6, 12]


@pytest.mark.parametrize("options", [{"progress_every": 0}, {"cancellation": threading.Event()}])
def test_wrong_arguments_are_named(options):
    with pytest.raises((TypeError, ValueError), match=f"`{next(iter(options))}` must be"):
        tf_style.stylize(*pictures(), **options)


async def asynchronous(progress):
    pass


class AsynchronousCall:
    async def __call__(self, progress):
        pass


@pytest.mark.parametrize(
    "on_progress, message",
    [
        (progress_callbacks([]), "Use `with progress_callbacks"),
        (asynchronous, "`on_progress` must be a plain function"),
        (functools.partial(asynchronous), "`on_progress` must be a plain function"),
        (AsynchronousCall(), "`on_progress` must be a plain function"),
        ([], "`on_progress` must be callable"),
    ],
)
def test_callbacks_that_would_end_the_run_at_once_are_refused(on_progress, message):
    with pytest.raises(TypeError, match=message):
        tf_style.stylize(*pictures(), on_progress=on_progress)


def test_another_thread_ends_a_run_that_would_never_end():
    cancellation = tf_style.Cancellation()
    timer = threading.Timer(1.0, cancellation.cancel)
    result = tf_style.stylize(
        *pictures(),
        config=config(steps=1_000_000),
        cancellation=cancellation,
        on_progress=lambda _: (
            None if timer.is_alive() or timer.finished.is_set() else timer.start()
        ),
    )
    assert result.status is Status.CANCELLED
    assert 0 < result.step < 1_000_000
    assert np.isfinite(result.image).all()


def test_under_xla_a_token_costs_no_slice_for_each_step_and_still_ends_the_run():
    layers = {"content_layers": "conv2_1", "style_layers": "conv1_1"}
    chosen = config(size=32, steps=60, jit_compile="loop", **layers)
    seen, ends = [], []
    cancellation = tf_style.Cancellation()
    tf_style.stylize(*pictures(), config=chosen, cancellation=cancellation, on_progress=seen.append)
    assert seen[-1].step == 60 and len(seen) < 20

    def on_progress(progress):
        ends.append(time.perf_counter())
        if len(ends) == 4:  # The first slices have one step each.
            threading.Timer(0.01, cancellation.cancel).start()

    result = tf_style.stylize(
        *pictures(),
        config=chosen.replace(steps=1_000_000),
        cancellation=cancellation,
        on_progress=on_progress,
    )
    assert result.status is Status.CANCELLED
    assert 3 < result.step < 1_000_000
    assert np.diff(ends).max() < 2.0  # 0.2 s are planned; the machine may be busy.


def test_a_run_that_was_cancelled_before_ends_with_the_start():
    cancellation = tf_style.Cancellation()
    cancellation.cancel()
    result = tf_style.stylize(*pictures(), config=config(), cancellation=cancellation)
    assert (result.status, result.step) == (Status.CANCELLED, 0)


def test_a_cancelled_run_leaves_a_checkpoint_and_continues_bit_for_bit(tmp_path):
    options = {"config": config(deterministic=True), "checkpoint_dir": tmp_path / "run"}
    cancellation = tf_style.Cancellation()
    half = tf_style.stylize(
        *pictures(),
        **options,
        progress_every=5,
        on_progress=lambda _: cancellation.cancel(),
        cancellation=cancellation,
    )
    assert (half.status, half.step) == (Status.CANCELLED, 5)
    resumed = tf_style.stylize(*pictures(), **options)
    whole = tf_style.stylize(*pictures(), config=options["config"])
    assert resumed.step == whole.step
    np.testing.assert_array_equal(resumed.image, whole.image)


def test_cancelling_the_fine_texture_ends_the_run():
    cancellation = tf_style.Cancellation()
    phases = []

    def on_progress(progress):
        phases.append(progress.phase)
        cancellation.cancel()

    result = tf_style.stylize(
        *pictures(),
        config=config(),
        fine_style=pictures(1)[1],
        on_progress=on_progress,
        cancellation=cancellation,
    )
    assert (result.status, result.step, phases) == (Status.CANCELLED, 0, ["texture"])


def test_summaries_hold_the_losses_and_the_picture_of_each_step(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    seen = []
    write = tf_style.write_summaries(tmp_path / "logs")

    def on_progress(progress):
        seen.append(progress)
        return write(progress)

    tf_style.stylize(*pictures(), config=config(), on_progress=on_progress, progress_every=6)
    events = EventAccumulator(str(tmp_path / "logs"), size_guidance={"tensors": 0}).Reload()
    assert set(events.Tags()["tensors"]) == {"loss", "picture", *seen[0].terms}
    for name in ("loss", "style", "content/block4_conv2"):
        stored = events.Tensors(name)
        assert [each.step for each in stored] == [6, 12]
        expected = [{"loss": each.loss, **each.terms}[name] for each in seen]
        np.testing.assert_allclose(
            [make_ndarray(each.tensor_proto) for each in stored], expected, rtol=1e-6
        )
    width, height, png = make_ndarray(events.Tensors("picture")[-1].tensor_proto)
    assert (int(width), int(height)) == (48, 36)
    import io

    from PIL import Image

    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png))), seen[-1].pixels)


def test_summaries_go_home_and_to_addresses(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for log_dir, folder in (("~/a", "a"), (Path("~/b"), "b"), (f"file://{tmp_path}/c", "c")):
        tf_style.stylize(
            *pictures(),
            config=config(steps=1),
            on_progress=tf_style.write_summaries(log_dir, pictures=False),
        )
        assert len(list((tmp_path / folder).iterdir())) == 1
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a", "b", "c"]


def test_keras_callbacks_see_a_training_and_can_end_it(tmp_path):
    calls, seen = [], []

    class Stopping(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            calls.append("begin")

        def on_train_batch_end(self, batch, logs=None):
            calls.append("batch")

        def on_epoch_end(self, epoch, logs=None):
            calls.append(epoch)
            self.model.stop_training = epoch >= 6

        def on_train_end(self, logs=None):
            calls.append("end")

    callbacks = [
        Stopping(),
        keras.callbacks.CSVLogger(tmp_path / "losses.csv"),
        keras.callbacks.TensorBoard(tmp_path / "logs"),
        keras.callbacks.TerminateOnNaN(),
        keras.callbacks.LambdaCallback(on_epoch_end=lambda _, logs: seen.append(logs)),
    ]
    with progress_callbacks(callbacks) as on_progress:
        result = tf_style.stylize(
            *pictures(), config=config(), on_progress=on_progress, progress_every=3
        )
    assert (result.status, result.step) == (Status.CANCELLED, 6)
    assert calls == ["begin", "batch", 3, "batch", 6, "end"]
    assert seen[-1] == {"loss": result.loss, **result.terms}
    header, *rows = (tmp_path / "losses.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["3", "6"]
    assert float(dict(zip(header.split(","), rows[1].split(","), strict=False))["loss"]) == (
        pytest.approx(result.loss)
    )
    assert list((tmp_path / "logs" / "train").iterdir())


def test_early_stopping_of_keras_ends_a_run_whose_loss_does_not_fall():
    stopping = keras.callbacks.EarlyStopping("loss", patience=2, min_delta=1e9)
    with progress_callbacks([stopping]) as on_progress:
        result = tf_style.stylize(
            *pictures(), config=config(), on_progress=on_progress, progress_every=1
        )
    assert result.step == 3  # The best one, and two that are no better by so much.


def test_a_task_gives_the_same_result_and_leaves_the_loop_free():
    chosen = config(steps=200)  # Long enough for several turns, also if the graphs are there.

    async def main():
        turns = itertools.count()
        run = asyncio.create_task(tf_style.stylize_async(*pictures(), config=chosen))
        while not run.done():
            await asyncio.sleep(0.01)
            turn = next(turns)
        return await run, turn

    result, turns = asyncio.run(main())
    assert turns > 3
    expected = tf_style.stylize(*pictures(), config=chosen)
    np.testing.assert_array_equal(result.image, expected.image)


def test_cancelling_the_task_ends_the_run_and_frees_the_thread():
    steps = []

    async def main():
        run = asyncio.create_task(
            tf_style.stylize_async(
                *pictures(), config=config(steps=1_000_000), on_progress=steps.append
            )
        )
        while not steps:
            await asyncio.sleep(0.01)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    asyncio.run(main())  # Waits for the threads of its executor, which a run would keep busy.
    assert steps[-1].step < 1_000_000


def test_tasks_share_a_token_and_are_cancelled_alone():
    cancellation, steps = tf_style.Cancellation(), {"first": [], "second": []}

    async def running(name):
        while not steps[name]:
            await asyncio.sleep(0.01)

    async def main():
        first, second = (
            asyncio.create_task(
                tf_style.stylize_async(
                    *pictures(),
                    config=config(steps=1_000_000),
                    cancellation=cancellation,
                    on_progress=seen.append,
                    progress_every=1,
                )
            )
            for seen in steps.values()
        )
        await asyncio.gather(running("first"), running("second"))
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert not cancellation.is_cancelled
        steps["second"].clear()
        await running("second")
        cancellation.cancel()
        return await second

    assert asyncio.run(main()).status is Status.CANCELLED


def test_an_error_of_the_run_is_the_task_s():
    with pytest.raises(ValueError, match="progress_every"):
        asyncio.run(tf_style.stylize_async(*pictures(), progress_every=0))
    with pytest.raises(TypeError, match="`cancellation` must be a Cancellation"):
        asyncio.run(tf_style.stylize_async(*pictures(), cancellation=threading.Event()))
