"""Connectors bring a feature to the shape its loss wants."""

from cankd_mm.connectors.activation_map_connector import (
    ActivationMapConnector,
)
from cankd_mm.connectors.projection_connector import ProjectionConnector
from cankd_mm.connectors.resize_connector import ResizeConnector

__all__ = [
    'ActivationMapConnector',
    'ProjectionConnector',
    'ResizeConnector',
]
