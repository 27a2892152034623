"""How far the training is, for what changes on the way."""

from mmengine.logging import MessageHub


def training_progress() -> float:
    """Share of the training's iterations that are over, in [0, 1].

    Counted in iterations, because an iteration-based loop stays in epoch 0.
    MMEngine's ``RuntimeInfoHook`` writes both numbers before each iteration,
    also after resuming. Without a runner nothing is written: 0.
    """
    hub = MessageHub.get_current_instance()
    iteration = hub.get_info('iter', 0)
    iterations = hub.get_info('max_iters', 0)
    if not iteration or not iterations:
        return 0.0
    return min(max(iteration / iterations, 0.0), 1.0)
