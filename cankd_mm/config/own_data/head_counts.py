"""The class count of every head of a model."""

import logging
from collections.abc import Collection, Mapping, MutableMapping
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log

from cankd_mm.config.class_heads import class_counts, counts_other_things
from cankd_mm.utils.config_walk import dicts

_COUNTS = ('num_classes', 'num_things_classes')


class HeadCounts:
    """Sets the number of classes in the configs of models.

    Args:
        num_classes: The number of classes.
        former: The numbers that stand for it so far. A count that is none of
            them belongs to something else.
    """

    def __init__(self, num_classes: int, former: Collection[int]) -> None:
        self.num_classes = num_classes
        self.former = set(former) - {num_classes}

    def apply(self, cfg: Config) -> None:
        """Set the counts of the student, of its distiller and its teacher.

        A teacher follows where its config states ``num_classes`` beside
        ``cfg_path``. Another one keeps its classes, as its weights do.

        Args:
            cfg: A whole config; changed in place.

        Raises:
            ValueError: A head of the student has another count.
        """
        model = cfg.get('model')
        if not model:
            return
        if 'architecture' not in model:
            self._of_model(model, 'model')
            return
        student, distiller = model['architecture'], model.get('distiller')
        if isinstance(student, Mapping):
            if 'cfg_path' in student and 'type' not in student:
                student = _read(student, model)
            self._of_model(student, 'model.architecture')
        if isinstance(distiller, Mapping):
            self.set_in(distiller)
        teacher = model.get('teacher')
        if (
            isinstance(teacher, Mapping)
            and 'cfg_path' in teacher
            and teacher.get('num_classes') in self.former
        ):
            teacher['num_classes'] = self.num_classes

    def _of_model(self, model: MutableMapping, key: str) -> None:
        """Set the counts of one model.

        Raises:
            ValueError: A head of it has another count.
        """
        for head, count in class_counts(model).items():
            if count != self.num_classes and count not in self.former:
                raise ValueError(
                    f'{key}.{head}.num_classes={count}, but classes has '
                    f'{self.num_classes} names. Leave num_classes out: it '
                    'follows classes'
                )
        self.set_in(model)

    def set_in(self, model: MutableMapping) -> None:
        """Set every count of a config that is a former one, in place.

        Args:
            model: Config of a model, or of a part of one.
        """
        for key, part in dicts(model):
            if key.endswith('rpn_head') or counts_other_things(part):
                continue
            for name in _COUNTS:
                if part.get(name) in self.former:
                    part[name] = self.num_classes
            weights = part.get('class_weight')
            if isinstance(weights, list | tuple):
                part['class_weight'] = self._weights(key, weights)

    def _weights(self, key: str, weights: Any) -> Any:
        """Return the weights of the classes of a loss.

        Those that say how frequent the former classes were mean nothing for
        others.
        """
        if len(weights) - 1 in self.former and len(set(weights[:-1])) == 1:
            # One weight for all classes, and one for the background.
            return [weights[0]] * self.num_classes + [weights[-1]]
        if len(weights) in self.former:
            print_log(
                f'{key}.class_weight: the {len(weights)} weights are those '
                "of the classes of the recipe's data set and are left out",
                logger='current',
                level=logging.WARNING,
            )
            return None
        return weights


def _read(student: Mapping, model: MutableMapping) -> MutableMapping:
    """Put a student in place of the file that it is read from."""
    # It reads configs, each of which comes through here.
    from cankd_mm.utils.model_config import model_config_from_file

    config, scope = model_config_from_file(student, 'model.architecture')
    model['architecture'] = ConfigDict(config, _scope_=scope)
    return model['architecture']
