"""Errors that a person can mend."""


class DataError(ValueError):
    """A file, a record or a clip that cannot be used as it is; the message names it."""
