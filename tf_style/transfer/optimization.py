"""One optimization with everything around it: plan, progress, saved state, result."""

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, cast

import numpy as np

from tf_style.config.style_config import StyleConfig
from tf_style.engine import stages
from tf_style.engine.assembly import LoadedProblem, load_problem
from tf_style.engine.memory_plan import described, excess
from tf_style.engine.plan import limit_for, plan_run
from tf_style.engine.run_state import RunState
from tf_style.inputs.inputs import Inputs
from tf_style.network.reading_ahead import WeightsAhead
from tf_style.optimizers.cancellation import Cancellation
from tf_style.optimizers.solution import State, Status, restored
from tf_style.transfer.progress import OnProgress, Progress, StyleResult, View, not_running

_SAVING, _SAVING_PER_PIXEL = 1.2, 1e-6  # Seconds from the last step to the end of the process.


def optimize(
    inputs: Inputs,
    config: StyleConfig,
    *,
    started: float | None = None,
    pause_every: int | None = None,
    on_progress: OnProgress | None = None,
    cancellation: Cancellation | None = None,
    notify: Callable[[str], None] | None = None,
    resume_from: State | None = None,
    also_saved: Mapping[str, Any] | None = None,
    ahead: WeightsAhead | None = None,
) -> StyleResult:
    """Returns the result of minimizing the loss of the inputs.

    Args:
        inputs: complete, with regions and textures.
        config: everything but the pictures.
        started: when the time budget began, on the clock of `time.perf_counter`; now if omitted,
            because each texture has a budget of its own.
        pause_every: slices also end at every multiple of this many steps.
        on_progress: called between slices of steps; a true result ends the optimization.
        cancellation: ends it at the next step.
        notify: called with a line of text.
        resume_from: what `Progress.state` gave in an optimization of the same inputs and config.
        also_saved: more arrays that `Progress.state` returns.
        ahead: the weights of this config, from `read_ahead`; read here if omitted.

    Raises:
        FloatingPointError: if a loss term is not finite; names it.
        MemoryError: if the size needs more memory than there is.
        OSError: if the weights cannot be downloaded.
        ValueError: if `resume_from` comes from another run, or the weights have changed.
    """
    size = inputs.content.shape[1:3]
    deadline = _deadline(config, started, size)
    loaded = load_problem(config, notify=notify, ahead=ahead)
    report = Report(
        inputs,
        config,
        loaded,
        on_progress,
        also_saved=also_saved or {},
        resume_from=resume_from,
    )
    if notify is not None:
        _describe_plan(size, config, resume_from, notify)
    with stages.enough_memory(size):
        end = stages.run(
            loaded.problem,
            inputs,
            config,
            deadline=deadline,
            pause_every=pause_every,
            on_slice=report.on_slice,
            cancellation=cancellation,
            resume_from=resume_from,
        )
        return report.result(end)


def _deadline(config: StyleConfig, started: float | None, size: tuple[int, int]) -> float | None:
    """Returns when the last step must end to save the file in time; None without a time budget."""
    if not config.compute.time_budget:
        return None
    started = time.perf_counter() if started is None else started
    return started + config.compute.time_budget - _SAVING - _SAVING_PER_PIXEL * size[0] * size[1]


def _describe_plan(
    size: tuple[int, int],
    config: StyleConfig,
    resume_from: State | None,
    notify: Callable[[str], None],
) -> None:
    """Tells which sizes are computed in tiles or with a shorter history, and what does not fit."""
    limit = limit_for(size, config, resume_from)
    planned = plan_run(size, config, limit)
    for _, (height, width), plan in planned:
        if plan.tiling is not None or plan.is_short:
            notify(f"{width}x{height} px: {described(plan)}")
    if warning := excess([stage.size_plan for stage in planned], config, limit):
        notify(warning)


class Report:
    """Turns the states of a run into `Progress`, and into what a checkpoint saves."""

    def __init__(
        self,
        inputs: Inputs,
        config: StyleConfig,
        loaded: LoadedProblem,
        on_progress: OnProgress | None,
        *,
        also_saved: Mapping[str, Any] = MappingProxyType({}),
        resume_from: State | None = None,
    ) -> None:
        """Starts the clock of a run; the arguments are those of `optimize`."""
        self._inputs = inputs
        self._config = config
        self._loaded = loaded
        self._hash = np.frombuffer(bytes.fromhex(loaded.weights_sha256), np.uint8)
        self._on_progress = on_progress
        self._also_saved = also_saved
        # Only while `on_progress` runs: a `Progress` that is kept must not hold its memory.
        self._current: RunState | None = None
        self._start = time.perf_counter() - self._seconds_before(resume_from)

    def on_slice(self, run_state: RunState) -> bool | None:
        """Calls `on_progress`; a true result ends the run."""
        if self._on_progress is None:
            return None
        self._current = run_state
        try:
            return self._on_progress(Progress(**self._values(run_state)))
        finally:
            self._current = None

    def result(self, end: RunState) -> StyleResult:
        """Returns the result of the run that ended so."""
        return StyleResult(**self._values(end), status=cast("Status", end.status))

    def _values(self, run_state: RunState) -> dict[str, Any]:
        """Returns the fields of a `Progress`."""
        return {
            "step": run_state.step,
            "num_steps": run_state.num_steps,
            "num_evaluations": run_state.num_evaluations,
            "seconds": time.perf_counter() - self._start,
            "loss": run_state.loss,
            "stage_size": tuple(run_state.image.shape[1:3]),
            "config": self._config,
            "weights_sha256": self._loaded.weights_sha256,
            "arithmetic": self._loaded.problem.arithmetic,
            "view": View(
                run_state.image,
                run_state.targets,
                run_state.objective,
                self._inputs,
                run_state.weights,
            ),
            "state": self._saved,
        }

    def _saved(self) -> State:
        """Returns everything that the run needs to resume."""
        if self._current is None:
            return not_running()
        return {
            **self._current.state(),
            **self._also_saved,
            "seconds": time.perf_counter() - self._start,
            "weights_sha256": self._hash,
        }

    def _seconds_before(self, resume_from: State | None) -> float:
        """Returns the seconds that the resumed run took before; checks its weights."""
        if resume_from is None:
            return 0.0
        kinds = {"seconds": ([], np.float64), "weights_sha256": ([32], np.uint8)}
        seconds, weights = restored(resume_from, kinds).values()
        if not np.array_equal(weights, self._hash):
            raise ValueError(
                "`weights` must be those that the run began with, to resume it. Received: "
                f"weights={self._config.network.weights!r}, which has changed. Bring the old "
                "weights back, or start anew."
            )
        return float(seconds)
