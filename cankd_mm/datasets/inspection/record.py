"""What was seen of one data set while it was loaded."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf
from operator import index
from typing import Any

#: How many examples of one fault a message shows.
EXAMPLES = 3
#: The ``not_counted`` of a data set that has masks in place of boxes.
MASKS = 'it has masks'


@dataclass
class LoadingRecord:
    """Counts of one data set.

    Attributes:
        key: Where the config has the data set.
        kind: The class of the data set.
        file: Its annotation file or folder.
        classes: The names that it is trained with, in order.
        not_counted: Why there are no counts of boxes; '' where there are.
        listed: Images that the annotations list.
        filtered: Images that ``filter_cfg`` left out.
        images: Images that training uses.
        empty: Those of them without a box.
        boxes: Boxes that training uses, for each class.
        ignored: Boxes that are there to be ignored (crowd, difficult).
        is_subset: Whether ``indices`` leaves images out.
        source: Boxes in the annotations, for each name as they have it; None
            where the format is not known.
        dropped: Boxes that the data set left out, for each reason.
        numbered: The name of each label, where the file decides it.
        degenerate: Boxes without a finite, positive size that are used.
        examples: The first few of them, in words.
        box_filters: Steps of the pipelines that may remove such boxes.
    """

    key: str = ''
    kind: str = ''
    file: str = ''
    classes: tuple[str, ...] = ()
    not_counted: str = ''
    listed: int = 0
    filtered: int = 0
    images: int = 0
    empty: int = 0
    boxes: Counter = field(default_factory=Counter)
    ignored: int = 0
    is_subset: bool = False
    source: Counter | None = None
    dropped: Counter = field(default_factory=Counter)
    numbered: tuple[str, ...] | None = None
    degenerate: int = 0
    examples: list[str] = field(default_factory=list)
    box_filters: list[str] = field(default_factory=list)

    @property
    def unmatched(self) -> dict[str, int]:
        """Names in the annotations that are no class, with their boxes."""
        known = set(self.classes)
        return {
            name: count
            for name, count in (self.source or {}).items()
            if name not in known
        }

    def count(self, items: Iterable[dict]) -> None:
        """Count what training uses.

        Args:
            items: The data set's items, as ``load_data_list`` returns them.
        """
        labels = []
        for item in items:
            self.images += 1
            if 'instances' not in item or 'segments_info' in item:
                self.not_counted = (
                    MASKS
                    if item.get('seg_map_path')
                    else 'its items are not boxes with labels'
                )
                continue
            used = 0
            for instance in item['instances']:
                box = instance.get('bbox', ())
                if len(box) != 4 or 'bbox_label' not in instance:
                    self.not_counted = 'its boxes are of another form'
                    continue
                if instance.get('ignore_flag'):
                    self.ignored += 1
                    continue
                used += 1
                labels.append(instance['bbox_label'])
                x1, y1, x2, y2 = box
                if not (0 < x2 - x1 < inf and 0 < y2 - y1 < inf):
                    self._add_degenerate(item, instance)
            self.empty += not used
        if not self.classes and labels:
            self.not_counted = 'it names no classes'
        for label, count in Counter(labels).items():
            self.boxes[self.name_of(label)] += count

    def name_of(self, label: Any) -> str:
        """Return the name for a label, which any integer type may have."""
        names = self.numbered or self.classes
        try:
            number = index(label)
        except TypeError:
            number = -1
        known = 0 <= number < len(names)
        return names[number] if known else f'label {label}'

    def _add_degenerate(self, item: dict, instance: dict) -> None:
        self.degenerate += 1
        if len(self.examples) < EXAMPLES:
            file = item.get('xml_path') or item.get('img_path')
            numbers = ', '.join(f'{value:g}' for value in instance['bbox'])
            name = self.name_of(instance['bbox_label'])
            self.examples.append(f'{file}: {name!r} at ({numbers})')
