"""Connectors bring a feature to the shape its loss wants."""

from cankd_mm.connectors.activation_map_connector import (
    ActivationMapConnector,
)
from cankd_mm.connectors.patch_classifier_connector import (
    PatchClassifierConnector,
)
from cankd_mm.connectors.projection_connector import ProjectionConnector
from cankd_mm.connectors.resize_connector import ResizeConnector
from cankd_mm.connectors.token_map_connector import TokenMapConnector

__all__ = [
    'ActivationMapConnector',
    'PatchClassifierConnector',
    'ProjectionConnector',
    'ResizeConnector',
    'TokenMapConnector',
]
