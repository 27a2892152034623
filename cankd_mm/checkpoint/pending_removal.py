"""Which files a checkpoint replaces, as the checkpoint itself notes it.

A file is removed once what replaces it is on the disk. A run that is killed
in between leaves it behind; the note, an entry of the message hub, lets the
run that resumes from the checkpoint remove it.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mmengine.logging import MessageHub

_KEY = 'pending_removal'


def note_pending(hub: MessageHub, paths: Iterable[str | Path]) -> None:
    """Note which files go once the next checkpoint is whole.

    Args:
        hub: The runner's message hub, which is saved with the checkpoint.
        paths: Files in the folder of the checkpoints.
    """
    hub.update_info(_KEY, [Path(path).name for path in paths])


def pending_names(hub: MessageHub) -> list[str]:
    """Return the names of the files that are still to be removed.

    Args:
        hub: The runner's message hub. After a resume its content is that of
            a file, so anything but a bare name is left out.
    """
    return names_noted_in(hub.runtime_info)


def names_noted_in(runtime_info: Mapping[str, Any]) -> list[str]:
    """Return the same from what a checkpoint holds of a message hub.

    Args:
        runtime_info: ``checkpoint['message_hub']['runtime_info']``.
    """
    noted = runtime_info.get(_KEY, [])
    if not isinstance(noted, list):
        return []
    return [
        name
        for name in noted
        if isinstance(name, str) and name and Path(name).name == name
    ]
