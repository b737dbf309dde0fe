"""Exports the training of a style network as StableHLO programs, for machines with XLA alone.

Takes paintings and a config; writes a folder with a program for each side of `crops`, the weights,
the state to start from, and what the paintings ask for. Photographs are not in it.
"""

import dataclasses
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tf_style._checks import user_path
from tf_style.config.training import TrainingConfig
from tf_style.export.options import (
    ABOUT,
    BASE,
    LOSS,
    OF_SIDE,
    PAINTINGS,
    PICTURE,
    STATE,
    STATISTICS,
    TRAIN,
)
from tf_style.export.programs import Named, Program, with_weights
from tf_style.export.stablehlo import write_programs
from tf_style.export.tensor_names import named_targets
from tf_style.feedforward.architecture import Architecture, parameter_shapes
from tf_style.feedforward.network_file import StyleNetwork, read_network, write_network
from tf_style.files.new_folder import check_new_folder, new_folder
from tf_style.losses.matrix_root import roots_by_products
from tf_style.objective.objective import Objective
from tf_style.objective.targets import Targets
from tf_style.training.assembly import load_objective
from tf_style.training.choices import REACH, STYLE_SIDE, Reached, choices
from tf_style.training.photographs import Photographs
from tf_style.training.state import named_state, state_of
from tf_style.training.state_file import StateFileError, read_state, write_state
from tf_style.training.step import STYLES, Batch, Painting, TrainingStep
from tf_style.training.training import Training, network_of

_SEED = 2016


def export_training(
    output_dir: str | os.PathLike,
    *,
    config: TrainingConfig | None = None,
    styles: Mapping[str, np.ndarray],
    architecture: Architecture | None = None,
    base: StyleNetwork | None = None,
    only_styles: bool = False,
    record: Mapping[str, Any] | None = None,
    check: bool = True,
    notify: Callable[[str], None] | None = None,
) -> Path:
    """Writes the step of a training as StableHLO programs, one for each side of crops.

    `tools/exports/train_stablehlo.py` trains with them, in JAX.

    Args:
        output_dir: a folder that is new or empty.
        config: all options; the defaults if omitted. With the precision 'bfloat16' the features
            have that type, and with the others float32.
        styles: paintings by name, float32 `[1, h, w, 3]`, RGB 0..1.
        architecture: of a new network; the default if omitted, or that of `base`.
        base: the network to start from; random numbers if omitted.
        only_styles: train only the scales and shifts of the new styles.
        record: how the network is trained, in plain JSON types, for its file
            (`TrainingJob.about`); the config if omitted.
        check: also run each program for a sample batch and write the results.
        notify: called with a line of text before weights are downloaded.

    Returns:
        The folder.

    Raises:
        OSError: if the folder is not empty or cannot be written, or the weights cannot be
            downloaded.
        ValueError: if the weights are invalid.
    """
    config = TrainingConfig() if config is None else config
    output = check_new_folder(output_dir)
    objective = load_objective(config, notify=notify, is_local=False)
    training = Training(
        objective,
        config,
        styles=styles,
        photographs=Photographs([]),
        architecture=architecture,
        base=base,
        only_styles=only_styles,
    )
    paintings = list(styles.values())
    programs = {
        f"{TRAIN}{side}": _program(training, objective, paintings, side)
        for side in dict.fromkeys(config.crop_sides)
    }
    about = {
        "config": config.to_dict(),
        "styles": list(styles),
        "architecture": dataclasses.asdict(training.architecture),
        "only_styles": only_styles,
        "about": {"config": config.to_dict()} if record is None else dict(record),
    }
    asked = {name: value.numpy() for name, value in _named(training.paintings).items()}
    are_cut = config.any_share or config.adversarial_weight  # Otherwise programs need no picture.
    pictures = {f"{PICTURE}{number}": style for number, style in enumerate(paintings) if are_cut}
    with new_folder(output) as folder:
        described = write_programs(folder, programs, objective.extractor, check=check)
        write_state(folder / STATE, named_state(training.initial()), Reached())
        np.savez(folder / PAINTINGS, allow_pickle=False, **asked, **pictures)
        if only_styles and base is not None:
            write_network(folder / BASE, base)
        text = json.dumps({**about, "programs": described}, indent=2)
        (folder / ABOUT).write_text(text + "\n", encoding="utf-8")
    return output


def trained_network(folder: str | os.PathLike, state: str | os.PathLike) -> StyleNetwork:
    """Returns the network that a training by the programs in a folder has reached.

    Args:
        folder: from `export_training`.
        state: the file of the training's state.

    Raises:
        OSError: if a file cannot be read.
        StateFileError: if the state is none, or damaged.
    """
    folder = user_path(folder)
    about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    stored = read_state(user_path(state))
    with np.load(folder / PAINTINGS) as paintings:
        statistics = tf.constant(paintings[STATISTICS])
    architecture, averages = Architecture(**about["architecture"]), state_of(stored.arrays).averages
    shapes: dict[str, tuple[int, ...]] = dict(parameter_shapes(architecture))
    shapes[STYLES] = len(about["styles"]), architecture.style_size
    if any(name not in averages or averages[name].shape != shapes[name] for name in shapes):
        raise StateFileError(f"'{state}' is not a state of the training in '{folder}'.")
    return network_of(
        averages,
        statistics,
        names=about["styles"],
        architecture=architecture,
        about={**about["about"], **stored.reached._asdict()},
        base=read_network(folder / BASE) if about["only_styles"] else None,
    )


def _program(
    training: Training, objective: Objective, paintings: Sequence[np.ndarray], side: int
) -> Program:
    """Returns the step for photographs of one side, with sample arguments."""
    config = training.config
    # A fresh objective, without graphs: they hold a program's weights.
    fresh = Objective(objective.extractor, config.loss)
    step = TrainingStep(training.architecture, fresh, config, trained=training.step.trained)
    state = _sample_state(training)
    asked = _named(training.paintings)
    batch = _sample_batch(config, paintings, side)
    names = [f"{name}_{side}" if name in OF_SIDE else name for name in batch]

    def run(*flat: tf.Tensor) -> Named:
        state_now = dict(zip(state, flat, strict=False))
        batch_now = dict(zip(batch, flat[len(state) :], strict=False))
        asked_now = tf.nest.pack_sequence_as(training.paintings, flat[len(state) + len(batch) :])
        unused = {"style": STYLE_SIDE, "parts": side}
        nothing = {name: tf.zeros([0, length, length, 3]) for name, length in unused.items()}
        with roots_by_products():
            after, losses = step(state_of(state_now), Batch(**{**nothing, **batch_now}), asked_now)
        return {
            **named_state(after),
            **{f"{LOSS}{name}": loss for name, loss in losses._asdict().items()},
        }

    inputs = {**state, **dict(zip(names, batch.values(), strict=True)), **asked}
    return Program(with_weights(run, objective.extractor), inputs)


def _sample_state(training: Training) -> Named:
    """Returns a state in which Adam divides gradients by about 1, not by themselves."""
    return {
        name: tf.ones_like(value) if name.startswith("second/") else value
        for name, value in named_state(training.initial()).items()
    }


def _sample_batch(config: TrainingConfig, paintings: Sequence[np.ndarray], side: int) -> Named:
    """Returns a batch of noise, by the names of `Batch`, without what the config does not use."""
    rng = np.random.default_rng(_SEED)
    chosen = choices(config, paintings, step=0, share=0.5, side=side)._asdict()
    del chosen["seed"]
    sides = {
        "photographs": (config.batch, side + 2 * REACH),
        "style": (1, STYLE_SIDE),
        "noise": (config.batch, side),
    }
    noise = {
        name: rng.uniform(size=(count, length, length, 3)).astype(np.float32)
        for name, (count, length) in sides.items()
    }
    unused = [
        name
        for name, weight in (("style", config.any_share), ("parts", config.adversarial_weight))
        if not weight
    ]
    return {
        name: tf.constant(value)
        for name, value in {**noise, **chosen}.items()
        if name not in unused
    }


def _named(painting: Painting) -> Named:
    """Returns the tensors of what paintings ask for, by name, in the order of `tf.nest`."""
    targets = Targets({}, dict(painting.targets), scales=dict(painting.scales))
    return {STATISTICS: painting.statistics, **named_targets(targets)}
