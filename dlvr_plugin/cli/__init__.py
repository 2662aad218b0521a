"""The ``dlvr`` command: one module a subcommand, which reads arguments and leaves the work to the package."""
