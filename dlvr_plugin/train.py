"""Train with the host's pipeline and the plugin: ``python -m dlvr_plugin.train -opt FILE``."""

import sys
from collections.abc import Sequence

from basicsr import train as host_train

from dlvr_plugin.host.pipeline import run_pipeline
from dlvr_plugin.preflight import check_options


def main(argv: Sequence[str] | None = None) -> int:
    """Train as the option file says; takes the flags of the host's train script.

    Args:
        argv: Arguments; None for those of the command line.

    Returns:
        Exit code.
    """
    return run_pipeline(host_train, host_train.train_pipeline, check_options, argv)


if __name__ == '__main__':
    sys.exit(main())
