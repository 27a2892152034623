"""Errors that reading a checkpoint raises wherever it is read."""


class UnsafeCheckpointError(ValueError):
    """A checkpoint holds more than data and was not loaded."""
