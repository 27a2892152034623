"""Looks up ``torchvision://`` start weights without torchvision.

What breaks: mmengine imports torchvision to learn the address of
``torchvision://resnet50``, which 151 configs of mmdet start from. Without
torchvision, or with one that was built for another torch, building such a
model ends in ``No module named 'torchvision'``.

Here: where torchvision cannot be imported, mmengine's own list of addresses
(``hub/torchvision_0.12.json``) is used, which mmengine starts from with any
recent torchvision, too: the same name leads to the same weights. A name that
only torchvision knows is an error that gives the remedy.

Upstream: no issue that we know of.

Probe: what mmengine's look-up does while torchvision is hidden.

Delete when: mmengine reads its own list without torchvision.
"""

import functools
import os
import sys
from importlib.util import find_spec

_LIST = os.path.join('hub', 'torchvision_0.12.json')


class _Addresses(dict):
    """Addresses by name; a name that is not among them is explained.

    Args:
        addresses: mmengine's list.
        reason: Why torchvision could not add its own.
    """

    def __init__(self, addresses: dict[str, str], reason: Exception) -> None:
        super().__init__(addresses)
        self._reason = reason

    def __missing__(self, name: str) -> str:
        raise ValueError(
            f"'torchvision://{name}': MMEngine's list has no weights of this "
            'name, and torchvision, which may have, cannot be imported '
            f'({self._reason}). Correct the name (resnet18, resnet34, '
            'resnet50, resnet101, ...), or install the torchvision that fits '
            'this torch'
        )


def needed() -> bool:
    """Whether mmengine cannot look up an address without torchvision."""
    if find_spec('mmengine') is None:
        return False
    from mmengine.runner import checkpoint

    look_up = getattr(checkpoint, 'get_torchvision_models', None)
    if look_up is None:
        return False
    found = sys.modules.get('torchvision')
    sys.modules['torchvision'] = None  # as if it were not installed
    try:
        look_up()
    except ImportError:
        return True
    finally:
        del sys.modules['torchvision']
        if found is not None:
            sys.modules['torchvision'] = found
    return False


def apply() -> None:
    """Falls back to mmengine's own list of addresses."""
    import mmengine
    from mmengine.runner import checkpoint

    original = checkpoint.get_torchvision_models

    @functools.wraps(original)
    def get_torchvision_models() -> dict[str, str]:
        try:
            import torchvision  # noqa: F401
        # One that was built for another torch raises a RuntimeError.
        except Exception as error:
            path = os.path.join(os.path.dirname(mmengine.__file__), _LIST)
            return _Addresses(mmengine.load(path), error)
        return original()

    checkpoint.get_torchvision_models = get_torchvision_models
