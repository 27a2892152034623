import pytest

from cankd_mm.pairing.stages import first_modules
from tests.test_pairing.models import (
    CORNERNET,
    DDRNET,
    HRNET,
    ICNET,
    MOBILENETV2,
    RETINANET,
    SEGFORMER,
    SWIN,
    UNET,
    VIT,
    student,
)


def cuts(path):
    found = student(path)
    stages = [m for m in found.maps('backbone') if m.has_gradient]
    names = first_modules(found, stages)
    return [name.removeprefix('backbone.') for name in names]


@pytest.mark.parametrize(
    'path, expected',
    [
        # The first stage is frozen.
        (RETINANET, ['layer3', 'layer4']),
        (MOBILENETV2, ['layer3', 'layer4', 'layer6']),
        # A stage is a ModuleList, which is never called.
        (SEGFORMER, ['layers.1.0', 'layers.2.0', 'layers.3.0']),
        # Each output has a norm that the next stage does not see.
        (SWIN, ['stages.1', 'stages.2', 'stages.3']),
        # All outputs have the same shape.
        (VIT, ['layers.3', 'layers.6', 'layers.9']),
        # A skip connection is cut with the rest of what enters a layer.
        (UNET, ['decoder.3', 'decoder.2', 'decoder.1', 'decoder.0']),
        # Two layers lead from the first output to the second.
        (CORNERNET, []),
        # Branches, each with convolutions of its own.
        (ICNET, []),
        # All outputs depend on all layers.
        (HRNET, []),
        (DDRNET, []),
    ],
)
def test_a_stage_begins_with_what_it_needs_beyond_the_one_before(
    path, expected
):
    assert cuts(path) == expected
