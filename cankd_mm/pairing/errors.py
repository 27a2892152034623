"""What keeps two models from being paired."""


class PairingError(ValueError):
    """A method makes no sense for a pair, or nothing of it matches."""


def described(error: Exception) -> str:
    """Return what kept a config from being read or written.

    Args:
        error: What was raised; it and what it came from.
    """
    if isinstance(error, ImportError | SyntaxError):
        cause = error.__cause__ or error
        return (
            f'a config cannot be read: {type(cause).__name__}: {cause}. '
            'Install the package that it needs, put its modules on '
            'PYTHONPATH, or mend the file'
        )
    if isinstance(error, OSError) and error.filename:
        return f'{error.filename}: {error.strerror}'
    return str(error)
