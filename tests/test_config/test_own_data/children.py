"""Configs of a few lines on a base."""

from pathlib import Path

from mmengine.config import Config

from cankd_mm.utils.config_file import config_from_file


def child(folder: Path, base: object, *lines: str) -> Config:
    """What a config of these lines becomes."""
    path = folder / 'child.py'
    path.write_text('\n'.join([f'_base_ = {str(base)!r}', *lines]))
    return config_from_file(path, 'child')
