"""What a training needs to take a second: small weights, a small network, few small pictures."""

import numpy as np
from mini_network import MINI_CHANNELS
from PIL import Image

from tf_style.config.training import TrainingConfig
from tf_style.config.training_options import with_options

TINY = {
    "steps": 3,
    "batch": 1,
    "crops": "64",
    "style_edge": 64,
    "deterministic": True,
}
"""Options of a training of three small steps."""


def use_mini_training(monkeypatch, mini_layers):
    """Trainings use the small weights, and networks have a predictor that fits them."""
    from tf_style.feedforward import architecture
    from tf_style.network import extractor
    from tf_style.network.weights import Weights
    from tf_style.training import assembly

    means = {name: np.ones(kernel.shape[-1]) for name, (kernel, _) in mini_layers.items()}
    monkeypatch.setattr(extractor, "mean_activations", lambda: means)
    monkeypatch.setattr(
        assembly, "load_weights", lambda name, notify=None: Weights(mini_layers, "0" * 64)
    )
    monkeypatch.setattr(assembly, "arithmetic", lambda precision, **_: "direct")
    monkeypatch.setattr(architecture, "NUM_STATISTICS", 2 * sum(MINI_CHANNELS))


def tiny_config(**options):
    """Returns the config of a tiny training."""
    return with_options(TrainingConfig(), {**TINY, **options})


def write_tiny_network(path, styles=()):
    """Writes a small random network, with random styles of these names."""
    from tf_style.feedforward.architecture import Architecture, initial_parameters
    from tf_style.feedforward.network_file import StyleNetwork, write_network

    shape = Architecture(edge_filters=4, filters=8, blocks=1, hidden=8)
    rng = np.random.default_rng(5)
    numbers = {name: rng.normal(0.0, 0.1, shape.style_size) for name in styles}
    about = {"config": {"minutes": 1.0}}
    write_network(path, StyleNetwork(shape, initial_parameters(shape, 3), numbers, about))
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
                losses = StepLosses(2.0, 0.5, 0.25, 0.125)
                yield TrainingProgress(reached, self.share(reached), losses, 64, state)

        def network(self, state, about):
            zeros = np.zeros(self.architecture.style_size, np.float32)
            kept = self.base.styles if self.only_styles else {}
            styles = {**kept, **dict.fromkeys(self._styles, zeros)}
            return self.base._replace(styles=styles, about=dict(about))

    monkeypatch.setattr(run, "Training", StillTraining)
    monkeypatch.setattr(run, "load_objective", lambda config, notify=None: None)
