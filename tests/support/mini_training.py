"""What a training needs to take a second: a small network, few small pictures, few steps."""

import numpy as np
from PIL import Image
from tiny_style_network import make_tiny_network

from tf_style.config.training import TrainingConfig

TINY = {
    "steps": 3,
    "batch": 1,
    "crops": "64",
    "style_edge": 64,
    "style_loss": "gram",
    "deterministic": True,
}
"""Options of a training of three small steps."""


def tiny_config(**options):
    """Returns the config of a tiny training."""
    return TrainingConfig(**{**TINY, **options})


def write_tiny_network(path, *styles):
    """Writes a small random network, with random styles of these names; returns the path."""
    from tf_style.feedforward.network_file import write_network

    write_network(path, make_tiny_network(*styles)._replace(about={"config": {"minutes": 1.0}}))
    return path


def write_pictures(folder, names, side=64):
    """Writes random pictures, smooth enough to have forms, to a folder; returns their paths."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(len(names))
    for name in names:
        small = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8))
        small.resize((side, side), Image.Resampling.BICUBIC).save(folder / name)
    return [folder / name for name in names]


def use_still_training(monkeypatch):
    """Trainings make steps that change only their number, so that nothing is traced."""
    from tf_style.feedforward.architecture import initial_parameters
    from tf_style.training import run
    from tf_style.training.state import initial_state
    from tf_style.training.step import STYLES, StepLosses
    from tf_style.training.training import Reached, TrainingProgress

    class StillTraining(run.Training):
        def __init__(self, objective, config, *, styles, photographs, base=None, only_styles=False):
            self.config, self.base, self.only_styles = config, base, only_styles
            self.architecture = base.architecture
            self._styles = dict(styles)

        def initial(self):
            numbers = initial_parameters(self.architecture, 0)
            own = np.zeros([len(self._styles), self.architecture.style_size], np.float32)
            return initial_state({**numbers, STYLES: own})

        def steps(self, state, reached=Reached()):  # noqa: B008
            while self.share(reached) < 1.0:
                reached = Reached(reached.step + 1, reached.seconds + 10.0)
                losses = StepLosses(2.0, 0.5, 0.25, 0.125, 0.0, 0.0, 1.0)
                yield TrainingProgress(reached, self.share(reached), losses, 64, state)

        def network(self, state, about):
            zeros = np.zeros(self.architecture.style_size, np.float32)
            kept = self.base.styles if self.only_styles else {}
            styles = {**kept, **dict.fromkeys(self._styles, zeros)}
            return self.base._replace(styles=styles, about=dict(about))

    monkeypatch.setattr(run, "Training", StillTraining)
    monkeypatch.setattr(run, "load_objective", lambda config, notify=None: None)


def stop_trainings(monkeypatch, error):
    """Makes trainings raise an error after their second step."""
    from tf_style.training import run

    real = run.Training.steps

    def steps(*arguments):
        for progress in real(*arguments):
            if progress.reached.step == 3:
                raise error
            yield progress

    monkeypatch.setattr(run.Training, "steps", steps)
