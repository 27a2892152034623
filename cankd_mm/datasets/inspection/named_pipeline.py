"""Errors of a pipeline that name the image and the mask."""

from typing import Any

from mmengine.dataset import Compose

from cankd_mm.datasets.inspection.errors import DataSetError, unusual_content

_PATHS = ('img_path', 'seg_map_path')


class NamedPipeline(Compose):
    """A pipeline whose errors name the files that it was loading.

    Only a few files are opened before training; this is for the others. A
    mask that cannot be decoded would else end a run without its name.

    Errors keep their type, because a data set may catch its own.

    Args:
        transforms (list): The steps, as ``Compose`` takes them.
    """

    def __call__(self, data: dict) -> dict | None:
        """Apply the steps.

        Raises:
            Exception: A step failed; the message names the files.
        """
        files = [str(data[name]) for name in _PATHS if data.get(name)]
        try:
            return super().__call__(data)
        except Exception as error:
            if not files:
                raise
            place = f'while loading {" with ".join(files)}'
            for file in files:
                unusual = unusual_content(file)
                if unusual:
                    place += f'; {file} is {unusual}'
            if _add_to_message(error, place):
                raise
            # In the traceback, also where that of a worker process is text.
            cause = DataSetError(place)
            cause.__cause__ = error.__cause__
            raise error from cause


def _add_to_message(error: Exception, text: str) -> bool:
    """Add to an error's message; report whether it has one that allows so."""
    args = error.args
    if not args or not isinstance(args[0], str) or str(error) != args[0]:
        return False
    error.args = (f'{args[0]} ({text})', *args[1:])
    return True


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
