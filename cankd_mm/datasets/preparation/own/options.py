"""How a data set of a user's own is prepared."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class OwnOptions:
    """What the command line sets.

    Attributes:
        check_only: Look, and write nothing.
        workers: Processes that decode images.
        out: Folder to write into; None for the data's own.
        overwrite: Replace what an earlier run wrote.
        val_fraction: Share of the images that a new split gives to val.
        seed: Other seeds make other splits.
        format: Detection: format of the labels; None to recognize it.
        background: Detection: images without a label show no objects.
        images: Segmentation: folder of the images; None to find it.
        masks: Segmentation: folder of the label maps; None to find it.
        ignore: Segmentation: value of ignored pixels; None for 255, unless
            the label maps hold 0 and 255 only; -1 for no such value.
        classes: Segmentation: names of the classes; None to find them.
        colors: Segmentation: file that names the colors of the classes.
    """

    check_only: bool = False
    workers: int = 1
    out: Path | None = None
    overwrite: bool = False
    val_fraction: float = 0.2
    seed: int = 0
    format: str | None = None
    background: bool = False
    images: Path | None = None
    masks: Path | None = None
    ignore: int | None = None
    classes: tuple[str, ...] | None = None
    colors: Path | None = None
