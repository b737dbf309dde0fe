"""Runs the command line: `python -m tf_style`."""

import sys

from tf_style.cli.main import main

sys.exit(main())
