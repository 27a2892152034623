"""A config as the checks see it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mmengine.config import Config
from mmengine.model import BaseModel

from cankd_mm.config_checks.meta_model import (
    Record,
    meta_failure,
    meta_model,
    recorded_shapes,
)
from cankd_mm.utils.config_walk import type_name
from cankd_mm.utils.distillation_config import extends_student
from cankd_mm.utils.model_config import model_config_from_file

ROLES = ('student', 'teacher')
_ROLE_KEYS = dict(student='architecture', teacher='teacher')
# What a mapping says beside the recorder.
_DEFAULT_LINK = dict(record_idx=0, data_idx=None, connector=None)


@dataclass(frozen=True)
class ModelConfig:
    """The config of a student or teacher.

    Attributes:
        key: Where it stands: ``model.teacher``.
        config: The model's.
        scope: The registry scope of its types.
    """

    key: str
    config: Mapping
    scope: str

    @property
    def on_meta(self) -> BaseModel | None:
        """The model without values, see :func:`meta_model`."""
        return meta_model(self.config, self.scope)

    @property
    def failure_on_meta(self) -> Exception | None:
        """Why there is no such model."""
        return meta_failure(self.config, self.scope)


@dataclass(frozen=True)
class Link:
    """One argument of a loss: which record reaches it, and through what.

    Attributes:
        key: The link's config key.
        loss: Name of the loss.
        argument: Name of the argument.
        role: 'student' or 'teacher'.
        recorder: Name of the recorder.
        record_idx: Which call of the recorded module.
        data_idx: Which item of its output, None for all of it.
        connector: Name of the connector, or None.
    """

    key: str
    loss: str
    argument: str
    role: str
    recorder: str
    record_idx: int
    data_idx: int | None
    connector: str | None


class ExaminedConfig:
    """Reads once what several checks look at.

    Args:
        cfg: Of a distillation or of a plain model.
        gpus: How many processes the run has, None if that is not known.
    """

    def __init__(self, cfg: Config, gpus: int | None = None) -> None:
        self.cfg = cfg
        self.gpus = gpus
        self.model: Mapping = cfg.get('model') or {}
        self.scope: str = cfg.get('default_scope') or 'mmengine'
        self._models: dict[str, tuple[ModelConfig | None, Exception | None]]
        self._models = {}
        self._shapes: dict[str, tuple[dict[str, list[Record]], tuple]] = {}

    @cached_property
    def is_distillation(self) -> bool:
        """Whether a distiller teaches a student."""
        return 'architecture' in self.model and bool(self.distiller)

    @cached_property
    def algorithm(self) -> str:
        """Name of the algorithm's class."""
        return type_name(self.model)

    @cached_property
    def is_frozen_teacher(self) -> bool:
        """Whether ``FrozenTeacherDistill`` or its kin train the student."""
        return self.is_distillation and extends_student(self.cfg)

    # --------------------------------------------------------------- models

    @cached_property
    def student(self) -> ModelConfig | None:
        """The model that is trained; of a plain config, the model itself.

        None where it cannot be read.
        """
        if 'architecture' in self.model:
            return self._read('student')[0]
        if not type_name(self.model):
            return None
        return ModelConfig('model', self.model, self.scope)

    @cached_property
    def teacher(self) -> ModelConfig | None:
        """The teacher. None where there is none or it cannot be read."""
        return self._read('teacher')[0]

    def unreadable(self, role: str) -> Exception | None:
        """Why the config of a student or teacher cannot be read."""
        return self._read(role)[1]

    def _read(self, role: str) -> tuple[ModelConfig | None, Exception | None]:
        if role not in self._models:
            try:
                self._models[role] = self._read_model(_ROLE_KEYS[role]), None
            except Exception as error:
                self._models[role] = None, error
        return self._models[role]

    def _read_model(self, name: str) -> ModelConfig | None:
        config, key = self.model.get(name), f'model.{name}'
        if not isinstance(config, Mapping):
            return None
        scope = config.get('_scope_') or self.scope
        if 'cfg_path' in config and 'type' not in config:
            config = {k: v for k, v in config.items() if k != '_scope_'}
            config, scope = model_config_from_file(config, key)
        return ModelConfig(key, config, scope)

    # ------------------------------------------------------------ distiller

    @cached_property
    def distiller(self) -> Mapping:
        """The distiller's config, empty without one."""
        return _mapping(self.model.get('distiller'))

    def part(self, name: str) -> Mapping:
        """A dict of the distiller's: recorders, losses, connectors."""
        return _mapping(self.distiller.get(name))

    def recorders(self, role: str) -> Mapping[str, Mapping]:
        """The recorders of the student or of the teacher, by name."""
        return self.part(f'{role}_recorders')

    @cached_property
    def links(self) -> list[Link]:
        """Every argument of every loss that says where it comes from."""
        found = []
        for loss, arguments in self.part('loss_forward_mappings').items():
            for argument, record in _mapping(arguments).items():
                if not isinstance(record, Mapping) or not isinstance(
                    record.get('from_student'), bool
                ):
                    continue
                rest = {
                    name: record.get(name, default)
                    for name, default in _DEFAULT_LINK.items()
                }
                found.append(
                    Link(
                        key='model.distiller.loss_forward_mappings.'
                        f'{loss}.{argument}',
                        loss=loss,
                        argument=argument,
                        role=ROLES[not record['from_student']],
                        recorder=record.get('recorder'),
                        **rest,
                    )
                )
        return found

    def source(self, link: Link) -> str | None:
        """The module whose outputs a link brings; None for other sources."""
        recorder = _mapping(self.recorders(link.role).get(link.recorder))
        if 'ModuleOutputs' in type_name(recorder):
            return recorder.get('source')
        return None

    def record(self, link: Link) -> Record:
        """Shape of what a link takes from its recorder; None if not known."""
        calls = self.shapes(link.role)[0].get(self.source(link), [])
        if link.record_idx >= len(calls):
            return None
        return calls[link.record_idx]

    def shapes(
        self, role: str
    ) -> tuple[dict[str, list[Record]], tuple[int, int]]:
        """What :func:`recorded_shapes` finds in the student or teacher."""
        if role not in self._shapes:
            needed: dict[str, int] = {}
            for link in self.links:
                source = self.source(link)
                if link.role == role and source:
                    needed[source] = max(
                        needed.get(source, 0), link.record_idx + 1
                    )
            config = getattr(self, role)
            model = config.on_meta if config and needed else None
            self._shapes[role] = (
                recorded_shapes(model, needed, self._own_size)
                if model
                else ({}, (0, 0))
            )
        return self._shapes[role]

    @property
    def _own_size(self) -> tuple[int, int] | None:
        """The size at which training tries the pair, where it is set."""
        size = self.model.get('dry_run_size')
        is_size = isinstance(size, list | tuple) and len(size) == 2
        return tuple(size) if is_size else None


def _mapping(value: Any) -> Mapping:
    return value if isinstance(value, Mapping) else {}
