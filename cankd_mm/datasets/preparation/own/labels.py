"""What the readers of all label formats return."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cankd_mm.datasets.preparation.own.faults import Faults, Kind

BROKEN_FILE = Kind(
    'label file',
    'that cannot be read',
    'export it again from the label program; its image is left out too',
    left_out=True,
)
BROKEN_OBJECT = Kind(
    'object',
    'without a class or a box',
    'mend or remove it in the label file',
    left_out=True,
)


@dataclass(frozen=True)
class LabeledObject:
    """An object of an image, as its label file has it.

    Attributes:
        kind: Name of its class.
        box: Left, top, right and bottom; 0 is the edge of the first pixel.
        where: File and line or number, for reports.
        mask: Polygons or run lengths as in COCO's format; None for no mask.
        is_crowd: Whether evaluation and training ignore it, as COCO's
            `iscrowd` and VOC's `difficult` do.
        is_fraction: Whether box and mask are fractions of width and height.
    """

    kind: str
    box: tuple[float, float, float, float]
    where: str
    mask: list | dict[str, Any] | None = None
    is_crowd: bool = False
    is_fraction: bool = False


@dataclass
class ImageLabels:
    """The labels of an image.

    Attributes:
        source: The label file.
        objects: The objects.
        size: Width and height that the label file names; None for none.
    """

    source: str
    objects: list[LabeledObject] = field(default_factory=list)
    size: tuple[int, int] | None = None


@dataclass
class LabelFiles:
    """What was read of one format.

    Attributes:
        title: The format, for reports.
        labels: The labels of each image that has some.
        classes: Names of the classes, in order.
        found_by: What the format was recognized by, for reports.
        splits: The images of each split, as the format's own files have it.
        splits_from: What names those splits.
        reported: Images without labels that are reported already, such as
            those whose label file cannot be read.
        notes: What a report has to mention beside faults.
        problems: What keeps the labels from being used, with remedies.
    """

    title: str
    labels: dict[str, ImageLabels]
    classes: list[str]
    found_by: str
    splits: dict[str, list[str]] = field(default_factory=dict)
    splits_from: str = ''
    reported: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)


def images_of_broken(
    matched: Mapping[str, str], broken: Mapping[str, str], faults: Faults
) -> set[str]:
    """Return the images whose label files cannot be read.

    Args:
        matched: The label file of each image.
        broken: Why a label file cannot be read, by its name.
        faults: Where these label files are added.
    """
    found = {image: n for image, n in matched.items() if n in broken}
    faults.extend(BROKEN_FILE, (f'{n} ({broken[n]})' for n in found.values()))
    return set(found)
