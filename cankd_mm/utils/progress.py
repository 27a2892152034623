"""How far the training is, for what changes on the way."""

from mmengine.logging import MessageHub


def iteration() -> int:
    """Iterations that are over, right after a resume too; 0 without a runner.

    MMEngine's ``RuntimeInfoHook`` writes the number before each iteration.
    """
    return MessageHub.get_current_instance().get_info('iter', 0)


def training_progress() -> float:
    """Share of the training's iterations that are over, in [0, 1].

    Counted in iterations, because an iteration-based loop stays in epoch 0.
    Right after a resume too; 0 without a runner.
    """
    iterations = MessageHub.get_current_instance().get_info('max_iters', 0)
    if not iterations:
        return 0.0
    return min(max(iteration() / iterations, 0.0), 1.0)
