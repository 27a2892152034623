"""What keeps two models from being paired."""


class PairingError(ValueError):
    """A method makes no sense for a pair, or nothing of it matches."""
