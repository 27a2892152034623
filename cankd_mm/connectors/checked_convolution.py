"""A connector's 1x1 convolution, which names what does not fit."""

import torch
from torch import Tensor, nn

from cankd_mm.losses.finite_inputs import check_values
from cankd_mm.utils.levels import check_devices

# A norm after the convolution squares values: far above, its variance
# overflows float32, and an infinite one would normalize to zero.
LARGEST = 1e15


def convolve(conv: nn.Conv2d, feature: Tensor, name: str) -> Tensor:
    """Apply a convolution to a feature that fits it.

    Args:
        conv: The convolution, which may be lazy.
        feature: A map with its channels.
        name: What the feature is, for error messages.

    Shape:
        - feature: :math:`(B, C_{in}, H, W)`
        - output: :math:`(B, C_{out}, H, W)`

    Raises:
        ValueError: Devices or types differ or, on a CPU, the feature is not
            finite or too large to compute with.
    """
    check_devices(feature=(feature,), parameters=(conv.weight,))
    check_values(name, feature, LARGEST)
    return apply_typed(conv, feature, name)


def apply_typed(module: nn.Module, x: Tensor, name: str) -> Tensor:
    """Apply a module, and name the types if they do not go together.

    Args:
        module: The module.
        x: Its input.
        name: What the input is, for error messages.

    Shape:
        - x, output: any

    Raises:
        ValueError: The module failed, and the types differ.
    """
    try:
        return module(x)
    except RuntimeError as error:
        # Whether types go together depends on autocast: torch decides.
        types = {str(parameter.dtype) for parameter in module.parameters()}
        if types <= {str(x.dtype)}:
            raise
        raise ValueError(
            f'{name} has shape {tuple(x.shape)} and type {x.dtype}, but '
            f'{type(module).__name__} of the connector has parameters of type '
            f'{", ".join(sorted(types))}: bring the connector to the type of '
            'the feature with `to(dtype)`, or run both under autocast'
        ) from error


def check_output(output: Tensor, connector: nn.Module) -> Tensor:
    """Return the output of a connector, which must be finite on a CPU.

    Args:
        output: What was computed of a finite feature.
        connector: The connector, for error messages.

    Shape:
        - output: any

    Raises:
        ValueError: The output is not finite; never on other devices.
    """
    name = f'the output of `{type(connector).__name__}`'
    check_values(name, output, torch.finfo(output.dtype).max)
    return output
