"""The table of optimizers: it has the names of the config and imports no TensorFlow."""

import subprocess
import sys

from tf_style.config.optimizer import OPTIMIZER_NAMES
from tf_style.optimizers.table import OPTIMIZERS


def test_the_table_has_the_names_of_the_config_in_their_order():
    assert tuple(OPTIMIZERS) == OPTIMIZER_NAMES


def test_importing_the_table_does_not_import_tensorflow():
    script = "import sys, tf_style.optimizers.table; print('tensorflow' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
