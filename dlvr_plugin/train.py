"""Train with the host's pipeline and the plugin: ``python -m dlvr_plugin.train -opt FILE``."""

import sys
from collections.abc import Sequence

from dlvr_plugin.host.pipeline import run_pipeline
from dlvr_plugin.training import loop


def main(argv: Sequence[str] | None = None) -> int:
    """Train as the option file says; takes the flags of the host's train script.

    Args:
        argv: Arguments; None for those of the command line.

    Returns:
        Exit code.
    """
    return run_pipeline(loop, loop.train_pipeline, argv)


if __name__ == '__main__':
    sys.exit(main())
