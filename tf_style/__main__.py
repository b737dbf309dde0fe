"""`python -m tf_style`: the command line."""

import sys

from tf_style.cli.main import main

sys.exit(main())
