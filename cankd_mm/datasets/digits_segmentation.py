"""The digits as an mmseg data set."""

from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from cankd_mm.datasets.digits import DEFAULT_ROOT, DigitsSpec, make_digits
from cankd_mm.datasets.digits_annotations import (
    SEGMENTATION_CLASSES,
    SEGMENTATION_PALETTE,
)


@DATASETS.register_module()
class DigitsSegmentationDataset(BaseSegDataset):
    """Handwritten digits with masks; makes its files when they are absent.

    Class 0 is the background, class ``digit + 1`` a digit.

    Args:
        split (str): ``'train'`` or ``'val'``. Defaults to ``'train'``.
        data_root (str): Folder of all digits data sets. Defaults to
            ``'work_dirs/digits'``.
        spec (dict, optional): Arguments of
            :class:`cankd_mm.datasets.digits.DigitsSpec` that differ from the
            default.
        **kwargs: Arguments of :class:`mmseg.datasets.BaseSegDataset`.

    Example:
        .. code-block:: python

            dataset = dict(
                type='mmseg.DigitsSegmentationDataset',
                split='train',
                pipeline=train_pipeline)
    """

    METAINFO = dict(classes=SEGMENTATION_CLASSES, palette=SEGMENTATION_PALETTE)

    def __init__(
        self,
        split: str = 'train',
        data_root: str = DEFAULT_ROOT,
        spec: dict | None = None,
        **kwargs,
    ):
        root = make_digits(data_root, DigitsSpec(**(spec or {})))
        super().__init__(
            data_root=str(root),
            ann_file=f'ImageSets/Segmentation/{split}.txt',
            data_prefix=dict(
                img_path='JPEGImages', seg_map_path='SegmentationClass'
            ),
            **kwargs,
        )
