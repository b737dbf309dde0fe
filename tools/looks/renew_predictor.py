"""Makes the predictor of a style network anew; named styles and all else stay to the bit.

Run: python tools/looks/renew_predictor.py NETWORK.tfstyle OUTPUT.tfstyle --photos=FOLDER
         --paintings NAME=PAINTING... [--minutes=5] [--steps=0]
(the paintings of all named styles; 5 minutes)

The first layer begins as random projections of the paintings' statistics, the second as a least
squares fit of the named styles. Then the predictor alone is trained: each step paints two
photographs in the style of a part or a recoloring of a photograph or a painting.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tf_style.cli import process
from tf_style.config.training import TrainingConfig
from tf_style.feedforward.bundled import named_network
from tf_style.feedforward.network_file import write_network
from tf_style.training.photographs import Photographs, listed
from tf_style.training.preparation import prepare

PREDICTOR = ("predictor1", "predictor1_bias", "predictor2", "predictor2_bias")
_RIDGE = 0.3  # Of the fit, so that it does not lean on few units.
_ACTIVE = 0.5  # Of a unit for the mean of the paintings, so that most units are active.
_SPREAD = 1.5  # Of a unit over paintings.


def fitted(
    statistics: np.ndarray, styles: np.ndarray, hidden: int, seed: int = 0
) -> Mapping[str, np.ndarray]:
    """Returns a predictor's numbers, float32 by the names of `PREDICTOR`.

    Args:
        statistics: float32 `[paintings, statistics]`.
        styles: float32 `[paintings, style_size]`.
        hidden: units.
        seed: of the projections.
    """
    size = statistics.shape[1]
    scale = _SPREAD / np.sqrt(size) / statistics.std(0).mean()
    first = scale * np.random.default_rng(seed).normal(size=(size, hidden))
    bias = _ACTIVE - statistics.mean(0) @ first
    units = np.maximum(statistics @ first + bias, 0.0)
    mean = styles.mean(0)
    square = units.T @ units + _RIDGE * np.eye(hidden)
    second = np.linalg.solve(square, units.T @ (styles - mean))
    numbers = dict(zip(PREDICTOR, (first, bias, second, mean), strict=True))
    return {name: value.astype(np.float32) for name, value in numbers.items()}


def main() -> None:
    """Fits, trains and writes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("network", help="a .tfstyle file, or 'default'")
    parser.add_argument("output", type=Path)
    parser.add_argument("--photos", required=True, help="a folder")
    parser.add_argument("--paintings", nargs="+", required=True, help="NAME=FILE")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--steps", type=int, default=0)
    options = parser.parse_args()
    process.set_environment()
    process.tune_tensorflow()
    from tf_style.feedforward.predictor import statistics_of
    from tf_style.training.assembly import load_objective
    from tf_style.training.training import Training

    config = TrainingConfig(
        minutes=options.minutes, steps=options.steps, any_share=1.0, crops="192",
        stability_weight=0.0, seed=1,
    )  # fmt: skip
    network = named_network(options.network)
    paintings = prepare(options.paintings, config).paintings
    if missing := set(network.styles) - set(paintings):
        parser.error(f"--paintings must be those of all named styles. Missing: {sorted(missing)}.")
    statistics = np.concatenate(statistics_of(list(paintings.values()), config.network))
    styles = np.stack([network.styles[name] for name in paintings])
    begun = fitted(statistics, styles, network.architecture.hidden)
    training = Training(
        load_objective(config),
        config,
        styles=paintings,
        photographs=Photographs(listed(options.photos)[0]),
        base=network._replace(parameters={**network.parameters, **begun}),
    )
    training.step.trained = PREDICTOR
    for progress in training.steps(training.initial()):
        step, losses = progress.reached.step, progress.losses
        print(f"step {step}, content {losses.content:.3f}, style {losses.style:.3f}", flush=True)
    learned = {name: np.asarray(progress.state.averages[name]) for name in PREDICTOR}
    record = {**progress.reached._asdict(), "config": config.to_dict()}
    write_network(
        options.output,
        network._replace(
            parameters={**network.parameters, **learned},
            about={**network.about, "predictor": record},
        ),
    )


if __name__ == "__main__":
    main()
