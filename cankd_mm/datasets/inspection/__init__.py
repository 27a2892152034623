"""What is wrong with training data, found while a data set loads them.

``loading`` observes a data set's own loading methods, so that nothing is
parsed twice; ``sample`` opens a few images and masks; ``verdict`` decides what
is an error and what is a warning. None of it imports mmdet or mmseg: a data
set is recognized by its methods and by the items that it loads.
"""

from cankd_mm.datasets.inspection.errors import DataFileNotFound, DataSetError
from cankd_mm.datasets.inspection.loading import observed_loading, record_of
from cankd_mm.datasets.inspection.named_pipeline import (
    name_files_in_errors,
)
from cankd_mm.datasets.inspection.record import LoadingRecord
from cankd_mm.datasets.inspection.sample import inspect_sample
from cankd_mm.datasets.inspection.steps import (
    box_filters,
    loads_no_annotations,
)
from cankd_mm.datasets.inspection.unwrap import unwrapped_with_steps
from cankd_mm.datasets.inspection.verdict import Verdict, judge

__all__ = [
    'DataFileNotFound',
    'DataSetError',
    'LoadingRecord',
    'Verdict',
    'box_filters',
    'inspect_sample',
    'judge',
    'loads_no_annotations',
    'name_files_in_errors',
    'observed_loading',
    'record_of',
    'unwrapped_with_steps',
]
