"""The names of the files that MMEngine's ``CheckpointHook`` writes."""

import re
import string
from pathlib import Path


def checkpoint_pattern(template: str) -> re.Pattern:
    """Return a pattern of the names that a template gives to steps.

    Args:
        template: The hook's ``filename_tmpl``: ``epoch_{}.pth``,
            ``{:03d}.pth``. The step is the group of the pattern.
    """
    parts = []
    for text, name, _, _ in string.Formatter().parse(template):
        parts.append(re.escape(text))
        if name is not None:
            # One step, however often the template has it.
            parts.append(r'\d+' if r'(\d+)' in parts else r'(\d+)')
    return re.compile(''.join(parts))


def is_checkpoint_name(name: str, template: str) -> bool:
    """Return whether a hook gives this name to a last or a best checkpoint.

    Args:
        name: Of a file, without its folder.
        template: The hook's ``filename_tmpl``.
    """
    pattern = checkpoint_pattern(template).pattern
    return bool(re.fullmatch(rf'(best_[^/\\]+_)?{pattern}', name))


def folder_of(out_dir: str | None, work_dir: str) -> str:
    """Return the folder that a hook writes to.

    Args:
        out_dir: The hook's argument: a folder, an address, or None for the
            work dir.
        work_dir: The run's.
    """
    work_dir = str(work_dir)
    if out_dir is None or str(out_dir) == work_dir:
        return work_dir
    return f'{str(out_dir).rstrip("/")}/{Path(work_dir).name}'
