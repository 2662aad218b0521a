"""``python -m dlvr_plugin.cli``, the same as ``dlvr``."""

import sys

from dlvr_plugin.cli.main import main

sys.exit(main())
