"""TensorFlow Probability's L-BFGS as a function, with the options of the other two."""

from tf_style.config.optimizer import OptimizerConfig
from tf_style.optimizers import slices
from tf_style.optimizers.pace import Pacing
from tf_style.optimizers.solution import checked_start
from tf_style.optimizers.tfp_lbfgs import TfpLbfgs


def minimize_tfp_lbfgs(
    value_and_gradient,
    start,
    *,
    arguments=(),
    num_steps,
    history=OptimizerConfig.history,
    jit_compile=False,
    first_step=0.01,
    resume_from=None,
    **pacing,
):
    method = TfpLbfgs(
        value_and_gradient,
        checked_start(start, num_steps),
        arguments=arguments,
        history=history,
        jit_compile=jit_compile,
        first_step=first_step,
    )
    return slices.run(method, num_steps=num_steps, pacing=Pacing(**pacing), resume_from=resume_from)
