"""Test with the host's pipeline and the plugin: ``python -m dlvr_plugin.test -opt FILE``."""

import sys
from collections.abc import Sequence

from basicsr import test as host_test

from dlvr_plugin.host.pipeline import run_pipeline


def main(argv: Sequence[str] | None = None) -> int:
    """Test as the option file says; takes the flags of the host's test script.

    Args:
        argv: Arguments; None for those of the command line.

    Returns:
        Exit code.
    """
    return run_pipeline(host_test, host_test.test_pipeline, argv)


if __name__ == '__main__':
    sys.exit(main())
