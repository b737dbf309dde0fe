"""What a step looks at: the same for the same step, and rates that rise and fall."""

import numpy as np

from tf_style.config.training import TrainingConfig
from tf_style.training.choices import REACH, Reached, choices, share_of

CONFIG = TrainingConfig(batch=4, steps=100, learning_rate=0.01, adversarial_weight=0.1)


def test_choices_follow_from_the_step_alone(rng):
    paintings = [rng.uniform(size=(1, 40, 50, 3)).astype(np.float32) for _ in range(3)]
    made = [choices(CONFIG, paintings, step=step, share=0.5, side=32) for step in (*range(40), 7)]
    for first, second in zip(made[7], made[-1], strict=True):
        np.testing.assert_array_equal(first, second)
    assert made[7].parts.shape == (4, 32, 32, 3)
    moves = np.array([each.move for each in made])
    assert moves.min() == -REACH and moves.max() == REACH
    assert len({tuple(each.seed) for each in made}) == 40


def test_the_rate_rises_stays_and_falls(rng):
    paintings = [rng.uniform(size=(1, 40, 50, 3)).astype(np.float32)]

    def rate(step, **options):
        share = share_of(CONFIG, Reached(step))
        return choices(CONFIG, paintings, step=step, share=share, side=32, **options).rate

    rates = [rate(step) for step in (0, 9, 19, 60, 82, 99)]
    np.testing.assert_allclose(
        rates, [0.0005, 0.005, 0.01, 0.01, 0.01 * 18 / 35, 0.01 / 35], rtol=1e-5
    )
    assert share_of(CONFIG.replace(steps=0, minutes=2.0), Reached(5, 30.0)) == 0.25
