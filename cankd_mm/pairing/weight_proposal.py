"""Proposes weights that give the gradient ratios of another config."""

import math

from cankd_mm.pairing.calibration import Calibration, MeasuredLoss


def propose_weights(own: Calibration, like: Calibration) -> dict[str, float]:
    """Return a weight for each distill loss of a config.

    With it the median gradient ratio of the loss is that of the published
    config: of its only loss; of the loss with the same name, if both configs
    have the same names; else the geometric mean over its losses. This rule is
    our choice.

    Args:
        own: What was measured of the config.
        like: What was measured of the published config.

    Returns:
        Weights by config key, rounded to two significant digits.

    Raises:
        ValueError: A loss has no ``loss_weight``, or a ratio that no weight
            changes.
    """
    for measured in (own, like):
        for loss in measured.losses:
            _require_usable(loss, measured.config)
    for loss in own.losses:
        if loss.loss_weight is None:
            raise ValueError(
                f'{own.config}: {loss.name} has no loss_weight. Its ratio is '
                f'{loss.ratio:.3g}, its other weights or model.distill_weight '
                'scale it'
            )
    targets = _targets(own, like)
    return {
        loss.key: two_digits(
            loss.loss_weight * targets[loss.name] / loss.ratio
        )
        for loss in own.losses
    }


def two_digits(value: float) -> float:
    """Round to two significant digits."""
    return float(f'{value:.1e}')


def _targets(own: Calibration, like: Calibration) -> dict[str, float]:
    ratios = {loss.name: loss.ratio for loss in like.losses}
    names = [loss.name for loss in own.losses]
    if set(names) == set(ratios):
        return ratios
    # Of one ratio it is this ratio.
    logs = [math.log(ratio) for ratio in ratios.values()]
    mean = math.exp(math.fsum(logs) / len(logs))
    return dict.fromkeys(names, mean)


def _require_usable(loss: MeasuredLoss, config: str) -> None:
    if math.isinf(loss.ratio):
        raise ValueError(
            f'{config}: the task loss does not reach the features of '
            f'{loss.name}, so its gradient ratio is infinite with any weight, '
            'and no weight can be proposed'
        )
    if not loss.ratio:
        raise ValueError(
            f'{config}: the gradient of {loss.name} is 0 in at least half of '
            f'{len(loss.ratios)} iterations, so no weight can be proposed. '
            'Measure more iterations: --iters'
        )
