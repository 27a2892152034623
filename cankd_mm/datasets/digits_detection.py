"""The digits as an mmdet data set."""

from mmdet.datasets import CocoDataset
from mmdet.registry import DATASETS

from cankd_mm.datasets.digits import DEFAULT_ROOT, DigitsSpec, make_digits
from cankd_mm.datasets.digits_annotations import CLASSES, PALETTE


@DATASETS.register_module()
class DigitsDetectionDataset(CocoDataset):
    """Handwritten digits with boxes; makes its files when they are absent.

    Args:
        split (str): ``'train'`` or ``'val'``. Defaults to ``'train'``.
        data_root (str): Folder of all digits data sets. Defaults to
            ``'work_dirs/digits'``.
        spec (dict, optional): Arguments of
            :class:`cankd_mm.datasets.digits.DigitsSpec` that differ from the
            default.
        **kwargs: Arguments of :class:`mmdet.datasets.CocoDataset`.

    Example:
        .. code-block:: python

            dataset = dict(
                type='mmdet.DigitsDetectionDataset',
                split='train',
                pipeline=train_pipeline)
    """

    METAINFO = dict(classes=CLASSES, palette=PALETTE)

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
            ann_file=f'instances_{split}.json',
            data_prefix=dict(img='JPEGImages/'),
            **kwargs,
        )
