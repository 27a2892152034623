"""What the model was put together from is not changed afterwards.

Configs keep the parts of a model at their top and end in ``model =
dict(teacher_ckpt=_base_.teacher_ckpt, distiller=_base_.distiller, ...)``. A
child of such a config, or the command line, that sets the part at the top
comes too late: the model has its copy.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config

from cankd_mm.config_checks.examined_config import ExaminedConfig
from cankd_mm.config_checks.finding import Finding, error

# Parts of a model that configs keep at their top.
_PARTS = (
    'distiller',
    'dry_run_size',
    'teacher',
    'teacher_channels_last',
    'teacher_ckpt',
    'truncations',
)


def check(examined: ExaminedConfig) -> Iterator[Finding]:
    """Finds parts at the top that were changed too late for the model."""
    if not examined.is_distillation:
        return
    cfg = examined.cfg
    suspects = [
        part
        for part in _PARTS
        if part in cfg and cfg[part] != cfg.model.get(part)
    ]
    if not suspects:  # reading the bases again takes a moment
        return
    history = [_plain(cfg), *map(_plain, _bases_of_the_model(cfg))]
    for part in suspects:
        late = _late_change(history, part)
        if late:
            key, value = late
            yield error(
                key,
                f'{value!r} is not used: model.{part} was put together in a '
                'base, before this was set',
                f'model.{key}',
                f'Write model.{key}=... on the command line, model = '
                f'dict({part}=...) in a config',
            )


def _bases_of_the_model(cfg: Config) -> Iterator[Config]:
    """The file without options, then whichever base the model comes from."""
    path = cfg.filename
    while path:
        yield Config.fromfile(path)
        bases = [
            Config._get_cfg_path(base, path)[0]
            for base in Config._get_base_files(path)
        ]
        path = next((b for b in bases if 'model' in Config.fromfile(b)), None)


def _late_change(history: list[dict], part: str) -> tuple[str, Any] | None:
    """Key and value of a change at the top that ``model`` did not follow.

    Args:
        history: The config and what it was before, the newest first.
        part: Name of a part.
    """
    for now, before in zip(history, history[1:], strict=False):
        used, former = (state['model'].get(part) for state in (now, before))
        if _without_num_classes(used) != _without_num_classes(former):
            return None  # the model is newer
        if now.get(part) != before.get(part):
            return _first_difference(part, now.get(part), before.get(part))
    return None


def _first_difference(key: str, now: Any, before: Any) -> tuple[str, Any]:
    if isinstance(now, Mapping) and isinstance(before, Mapping):
        for name in [*now, *before]:
            if now.get(name) != before.get(name):
                return _first_difference(
                    f'{key}.{name}', now.get(name), before.get(name)
                )
    return key, now


def _plain(cfg: Config) -> dict:
    """A config without the scopes that inheriting from a package adds."""
    return _without(cfg.to_dict(), '_scope_')


def _without_num_classes(value: Any) -> Any:
    """Leaves out what ``classes`` at the top sets in a model."""
    return _without(value, 'num_classes')


def _without(value: Any, key: str) -> Any:
    if isinstance(value, Mapping):
        return {k: _without(v, key) for k, v in value.items() if k != key}
    if isinstance(value, list | tuple):
        return [_without(item, key) for item in value]
    return value
