"""Random images with the labels that a model trains on."""

from cankd_mm.pairing.random_batch.batch import random_batch
from cankd_mm.pairing.random_batch.labels import (
    Labels,
    label_classes,
    loaded_labels,
)

__all__ = ['Labels', 'label_classes', 'loaded_labels', 'random_batch']
