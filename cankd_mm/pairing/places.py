"""The places of a model that the methods compare."""

import difflib

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from cankd_mm.pairing.errors import PairingError
from cankd_mm.pairing.features import Level, ModelFeatures

LOGITS = ('conv_seg', 'cls_seg')
_NORMS = (_NormBase, nn.GroupNorm)


def levels_at(model: ModelFeatures, at: str, role: str) -> tuple[Level, ...]:
    """Return the maps of a place, or of a module that is named.

    Args:
        model: Where it is.
        at: 'neck', 'backbone', 'decoder', or the name of a module.
        role: 'student' or 'teacher', for the message.

    Raises:
        PairingError: There is no such place, or it returns no map.
    """
    if at == 'decoder':
        level = decoder_level(model)
        found = () if level is None else (level,)
    else:
        found = model.maps(at)
    if found:
        calls = model.features[found[0].source].calls
        if calls > 1:
            raise PairingError(
                f"the {role}'s {at!r} is called {calls} times for one image, "
                'and only one of its maps would be compared. Name a module '
                'upstream of it, such as the neck'
            )
        return found
    if at == 'decoder':
        raise PairingError(
            f'--at decoder: the {role} ({type(model.model).__name__}) has no '
            'decode head with a normalized map. Name a module'
        )
    known = [name for name in model.features if model.maps(name)]
    if not known:
        raise PairingError(
            f"the {role}'s forward failed before any module returned a map: "
            f'{model.failure}'
        )
    close = difflib.get_close_matches(at, known, 3, 0.0)
    if at not in dict(model.model.named_modules()):
        reason = 'is no module of it'
    elif at in model.features:
        shapes = [level.shape for level in model.features[at].levels]
        reason = f'returns no map (B, C, H, W), but {shapes or "no tensor"}'
    else:
        reason = "was not called in a forward without labels (mode 'tensor')"
    if model.failure and 'not called' in reason:
        reason += f', which ended early ({model.failure})'
    raise PairingError(
        f"the {role}'s {at!r} {reason}. The closest modules that return maps "
        f'are {close}; tools/list_features.py lists all'
    )


def pyramid(model: ModelFeatures, role: str) -> tuple[Level, ...]:
    """Return the levels of a neck, of the backbone where there is none.

    Args:
        model: A detector.
        role: 'student' or 'teacher', for the message.

    Raises:
        PairingError: It has neither.
    """
    return model.maps('neck') or levels_at(model, 'backbone', role)


def last_stage(model: ModelFeatures, role: str) -> Level:
    """Return the backbone's map that the decode head starts from.

    That is the deepest one, unless the head names another one by its
    ``in_index``, as BiSeNet's does.

    Args:
        model: A segmentor.
        role: 'student' or 'teacher', for the message.

    Raises:
        PairingError: There is no backbone that returns maps.
    """
    levels = levels_at(model, 'backbone', role)
    head = _head(model.model)
    index = getattr(head, 'in_index', -1)
    if model.maps('neck') or not isinstance(index, int):
        index = -1
    by_index = {level.index: level for level in levels}
    return by_index.get(index, levels[-1])


def decoder_level(model: ModelFeatures) -> Level | None:
    """Return the last normalized map of the decode head before its logits.

    That is the map before the last activation: of DeepLabV3+ the place that
    TaT compares.

    Args:
        model: A segmentor.
    """
    modules = dict(model.model.named_modules())
    found = tap = None
    for name in model.features:
        if not name.startswith('decode_head.'):
            continue
        if name.rpartition('.')[2] in LOGITS:
            found = tap  # of several heads the last
        elif isinstance(modules[name], _NORMS):
            tap = next(iter(model.maps(name)), tap)
    return found or tap


def logits_level(model: ModelFeatures, num_classes: int) -> Level | None:
    """Return the last map of class logits that a segmentor's head makes.

    Args:
        model: A segmentor.
        num_classes: Channels of the logits.
    """
    found = None
    for name in model.features:
        if name.startswith('decode_head.'):
            for level in model.maps(name):
                is_named = name.rpartition('.')[2] in LOGITS
                if is_named and level.channels == num_classes:
                    found = level
    return found


def module_of(level: Level) -> tuple[str, int | None]:
    """Return the name and index under which a person would record a level.

    A stage of a backbone is named as the module that returns it, where there
    is one: ``backbone.layer4`` and not the last item of ``backbone``.

    Args:
        level: What is recorded.
    """
    for alias in level.aliases:
        if level.index is not None and alias.count('.') == 1:
            return alias, None
    return level.source, level.index


def _head(model: nn.Module) -> nn.Module | None:
    head = getattr(model, 'decode_head', None)
    return head[0] if isinstance(head, nn.ModuleList) else head
