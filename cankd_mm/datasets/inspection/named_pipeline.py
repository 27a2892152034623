"""Errors of a pipeline that name the image and the mask."""

from typing import Any

from mmengine.dataset import Compose

from cankd_mm.datasets.inspection.errors import (
    DataFileNotFound,
    DataSetError,
    brief,
    unusual_content,
)

_PATHS = ('img_path', 'seg_map_path')


class NamedPipeline(Compose):
    """A pipeline whose errors name the files that it was loading.

    Only a few files are opened before training; this is for the others. A
    mask that cannot be decoded would else end a run without its name.

    Args:
        transforms (list): The steps, as ``Compose`` takes them.
    """

    def __call__(self, data: dict) -> dict | None:
        """Apply the steps.

        Raises:
            DataSetError: A step failed; the message names the files.
        """
        files = [str(data[name]) for name in _PATHS if data.get(name)]
        try:
            return super().__call__(data)
        except Exception as error:
            if not files:
                raise
            message = f'{" with ".join(files)}: {brief(error)}'
            for file in files:
                unusual = unusual_content(file)
                if unusual:
                    message += f'; {file} is {unusual}'
            is_missing = isinstance(error, FileNotFoundError)
            kind = DataFileNotFound if is_missing else DataSetError
            raise kind(message) from error


def name_files_in_errors(dataset: Any) -> None:
    """Give a data set's pipeline errors that name its files.

    Args:
        dataset: A data set; one without a pipeline of MMEngine's stays as it
            is.
    """
    pipeline = getattr(dataset, 'pipeline', None)
    # Of a subclass the steps are not all there is.
    if type(pipeline) is Compose:
        dataset.pipeline = NamedPipeline(pipeline.transforms)
