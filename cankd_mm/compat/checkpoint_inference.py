"""Builds inferencers from a checkpoint's own config without running code.

What breaks: ``DetInferencer(weights='a.pth')``, without a config, builds what
the config in the file says. A config that is only data still runs code then:

- ``type='subprocess.Popen'``: a registry imports what nobody registered, by
  name, and calls it; ``_scope_='package'`` imports ``package.registry``;
- ``test_cfg.nms.type``: ``mmcv.ops.batched_nms`` evaluates the text, and so
  does ``CameraMotionCompensation`` of mmdet;
- a detector with ``teacher_config='file.py'`` and MMRazor's ``cfg_path``
  execute a config file; recorders and deliveries of MMRazor import modules;
- losses of mmseg (``class_weight='file.pkl'``) and data sets
  (``CrowdHumanDataset``) unpickle a file, from anywhere on the network, too;
- data sets, storage backends and the backends of a visualizer open, make and
  overwrite files.

Here, while an inferencer is built from a checkpoint's own config:

- registries find what is registered and import nothing else. A full path, as
  new-style configs dump it (``mmdet.models.detectors.retinanet.RetinaNet``),
  is the class of this path that the registry itself, its parents or its
  children hold, or nothing: metrics and runners, which remove and make
  folders, are no models;
- no registry is asked that an inferencer has no need of, such as those of
  metrics, runners, loops, hooks and optimizers;
- nothing of MMRazor is built, and nothing that hands names of the config to
  other libraries: timm, Hugging Face, albumentations;
- no config file is read, no weights besides those that were given, and no
  file through ``mmengine.fileio``;
- the config loses its paths (:mod:`cankd_mm.checkpoint.inference_config`);
- text that mmcv and mmdet evaluate has to be the name of an operator of mmcv
  or of a number. This stays so afterwards: predictions evaluate it.

A config that is given (``model=...``) is code that the user trusts and is not
restricted; models with a language model (GLIP, Grounding DINO) need one. Not
covered: plain ``open`` for reading in a component.

Upstream: no issue that we know of.

Probe: whether a registry imports what is not registered.

Delete when: mmengine builds from checkpoints without these look-ups.
"""

import functools
import re
import sys
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from cankd_mm.checkpoint.inference_config import REMEDY, without_paths
from cankd_mm.compat.checkpoint_config import config_text_of
from cankd_mm.compat.checkpoint_loading import UnsafeCheckpointError

#: Modules that evaluate text of a config.
_EVALUATING = (
    'mmcv.ops.nms',
    'mmdet.models.task_modules.tracking.camera_motion_compensation',
)
#: Registries of mmengine that inferencers build from, with their children.
_NEEDED = (
    'DATASETS',
    'FUNCTIONS',
    'MODELS',
    'TASK_UTILS',
    'TRANSFORMS',
    'VISUALIZERS',
    'WEIGHT_INITIALIZERS',
)
#: Classes that pass names of a config on, which other libraries look up,
#: download and read.
_PASSING_ON = {
    'ATSSVLFusionHead': 'Hugging Face',
    'Albu': 'albumentations',
    'BertModel': 'Hugging Face',
    'RandomSamplingNegPos': 'Hugging Face',
    'TIMMBackbone': 'timm',
}
_DOTTED_NAME = re.compile(r'[^\W\d]\w*(\.[^\W\d]\w*)*')


@dataclass
class _Building:
    """An inferencer under construction.

    Attributes:
        weights: The file that its config is in.
        refused: Names that were not looked up.
        asked: The registry that is looking a name up.
    """

    weights: str
    refused: list[str] = field(default_factory=list)
    asked: Any = None

    def error(self, found: str) -> UnsafeCheckpointError:
        return UnsafeCheckpointError(
            f'weights={self.weights!r}: the config in this file {found}. '
            'Expected registered components of OpenMMLab only, because what '
            f'a checkpoint holds is not trusted. {REMEDY}'
        )

    def error_of_names(self) -> UnsafeCheckpointError:
        names = dict.fromkeys(self.refused)
        return self.error(f'names {", ".join(map(repr, names))}')


_building: ContextVar[_Building | None] = ContextVar('building', default=None)


def needed() -> bool:
    """Whether registries of mmengine import what is not registered."""
    if find_spec('mmengine') is None:
        return False
    from mmengine.registry import Registry

    try:
        return Registry('probe', scope='probe').get('os.getcwd') is not None
    except Exception:  # whatever it is, nothing was found
        return False


def apply() -> None:
    """Restricts what an inferencer builds from a checkpoint's own config."""
    from mmengine.config import Config
    from mmengine.fileio import io
    from mmengine.infer import BaseInferencer
    from mmengine.registry import Registry, registry
    from mmengine.runner import CheckpointLoader

    BaseInferencer.__init__ = _restricted(BaseInferencer.__init__)
    Registry.get = _needed_only(Registry.get)
    registry.get_object_from_string = _registered_only(
        registry.get_object_from_string
    )
    registry.import_module = _known_scopes_only(registry.import_module)
    io.get_file_backend = _refused_meanwhile(
        io.get_file_backend, 'opens the file'
    )
    Config.fromfile = staticmethod(
        _refused_meanwhile(Config.fromfile, 'executes the config file')
    )
    Config.fromstring = staticmethod(_pathless(Config.fromstring))
    CheckpointLoader.load_checkpoint = classmethod(
        _given_weights_only(CheckpointLoader.load_checkpoint.__func__)
    )


def _restricted(init: Callable) -> Callable:
    @functools.wraps(init)
    def build(self, model=None, weights=None, *args, **kwargs) -> None:
        if model is not None or weights is None:
            init(self, model, weights, *args, **kwargs)
            return
        building = _Building(weights)
        token = _building.set(building)
        try:
            _stop_evaluation()
            with config_text_of(
                f"{weights}: message_hub['runtime_info']['cfg'], or "
                "meta['cfg']"
            ):
                init(self, model, weights, *args, **kwargs)
            if self.collate_fn is None and building.refused:
                raise building.error_of_names()
        except (KeyError, RuntimeError) as error:
            if not any(name in str(error) for name in building.refused):
                raise
            raise building.error_of_names() from error
        finally:
            _building.reset(token)

    return build


# ------------------------------------------------------------------ registries


def _needed_only(get: Callable) -> Callable:
    @functools.wraps(get)
    def get_needed(self, key: str) -> Any:
        building = _building.get()
        if building is None:
            return get(self, key)
        _require_needed(self, key, building)
        before, building.asked = building.asked, self
        try:
            found = get(self, key)
        finally:
            building.asked = before
        for name in (cls.__name__ for cls in getattr(found, '__mro__', ())):
            if name in _PASSING_ON:
                raise building.error(
                    f'names {key!r}, which passes names of the config on to '
                    f'{_PASSING_ON[name]}'
                )
        return found

    return get_needed


def _require_needed(asked, key: str, building: _Building) -> None:
    from mmengine.registry import root

    family = asked._get_root_registry()
    if not any(family is getattr(root, name, None) for name in _NEEDED):
        raise building.error(
            f'names {key!r} of the {asked.name} registry, which an '
            'inferencer has no need of'
        )


def _registered_only(get_object: Callable) -> Callable:
    @functools.wraps(get_object)
    def get_registered(name: str) -> Any:
        building = _building.get()
        if building is None:
            return get_object(name)
        found = _registered(name, building.asked)
        if found is None:
            building.refused.append(name)
        return found

    return get_registered


def _registered(full_name: str, asked) -> Any:
    """What a registry or its relatives hold of a full path, if they do."""
    if asked is None:
        return None
    package = full_name.partition('.')[0]
    last = full_name.rpartition('.')[2]
    for member in _family(asked._get_root_registry()):
        if member.scope == 'mmrazor':
            continue
        if member.scope == package:
            member.import_from_location()
        for candidate in member.module_dict.values():
            if (
                getattr(candidate, '__qualname__', None) == last
                and f'{candidate.__module__}.{last}' == full_name
            ):
                return candidate
    return None


def _family(registry) -> Iterator:
    yield registry
    for child in registry.children.values():
        yield from _family(child)


def _known_scopes_only(import_module: Callable) -> Callable:
    @functools.wraps(import_module)
    def import_known(name: str) -> ModuleType:
        building = _building.get()
        # Else it is a location that a registry names, or its own package.
        if building is not None and name.endswith('.registry'):
            scope = name.removesuffix('.registry')
            if scope == 'mmrazor':
                raise building.error('has parts of MMRazor')
            if not _is_known(scope) and name not in sys.modules:
                building.refused.append(scope)
                # As if it were not there, so that other ways are tried.
                raise ImportError(name)
        module = import_module(name)
        if building is not None:
            _stop_evaluation()
        return module

    return import_known


def _is_known(scope: str) -> bool:
    from mmengine.config.utils import MODULE2PACKAGE

    return scope in ('mmengine', 'mmcv', *MODULE2PACKAGE)


# ----------------------------------------------------------------------- files


def _refused_meanwhile(function: Callable, found: str) -> Callable:
    @functools.wraps(function)
    def refuse(*args, **kwargs):
        building = _building.get()
        if building is not None:
            path = args[0] if args else next(iter(kwargs.values()), None)
            raise building.error(f'{found} {str(path)!r}')
        return function(*args, **kwargs)

    return refuse


def _given_weights_only(load_checkpoint: Callable) -> Callable:
    @functools.wraps(load_checkpoint)
    def load_given(cls, filename, *args, **kwargs):
        building = _building.get()
        if building is not None and filename != building.weights:
            raise building.error(f'loads the weights {filename!r}')
        token = _building.set(None)
        try:
            return load_checkpoint(cls, filename, *args, **kwargs)
        finally:
            _building.reset(token)

    return load_given


def _pathless(fromstring: Callable) -> Callable:
    @functools.wraps(fromstring)
    def parse_without_paths(cfg_str: str, file_format: str):
        config = fromstring(cfg_str, file_format)
        building = _building.get()
        if building is None:
            return config
        return without_paths(config, f'weights={building.weights!r}')

    return parse_without_paths


# ------------------------------------------------------------------ evaluation


def _stop_evaluation() -> None:
    """Makes the modules that evaluate text of a config look names up."""
    for name in _EVALUATING:
        module = sys.modules.get(name)
        # The name `eval` in a module comes before the built-in function.
        if module is not None and 'eval' not in vars(module):
            module.eval = functools.partial(_look_up, module)


def _look_up(module: ModuleType, name: str) -> Any:
    """The operator of mmcv or the number that a name stands for.

    Args:
        module: Where the name is used.
        name: A name or a path of attributes.

    Raises:
        ValueError: It is another text, or the name of something else.
    """
    found: Any = None
    if _DOTTED_NAME.fullmatch(name):
        first, *others = name.split('.')
        found = vars(module).get(first)
        for attribute in others:
            found = getattr(found, attribute, None)
    is_operator = callable(found) and str(
        getattr(found, '__module__', '')
    ).startswith('mmcv.')
    if not is_operator and not isinstance(found, int | float):
        raise ValueError(
            f'{name!r} in a config: expected the name of an operator of mmcv '
            f'or of a number that {module.__name__} knows, such as "nms"; no '
            'text of a config is evaluated'
        )
    return found
