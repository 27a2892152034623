"""A distill loss without a gradient teaches nothing, and says nothing."""

from mmrazor.models.distillers import ConfigurableDistiller

from cankd_mm.algorithms.nested_tensors import tensors_in


def check_gradients(distiller: ConfigurableDistiller) -> None:
    """Raises if a loss compares student's records without any gradient.

    Asked of the records themselves: connectors and losses may have parameters
    of their own, which do have one.

    Args:
        distiller: Its recorders hold what a training forward has left there.

    Raises:
        RuntimeError: It names the loss and the recorded modules.
    """
    for name, arguments in distiller.loss_forward_mappings.items():
        recorders = {
            record['recorder']
            for record in arguments.values()
            if record['from_student']
        }
        records = [
            distiller.student_recorders.get_recorder(recorder)
            for recorder in sorted(recorders)
        ]
        # That a record is missing is the loss's own error.
        is_recorded = all(recorder.data_buffer for recorder in records)
        if 'loss' not in name or not records or not is_recorded:
            continue
        if not any(
            tensor.requires_grad
            for recorder in records
            for tensor in tensors_in(recorder.data_buffer)
        ):
            sources = ', '.join(repr(r.source) for r in records)
            raise RuntimeError(
                f'model.distiller.distill_losses.{name}: nothing of the '
                f'student that it compares ({sources}) has a gradient, so the '
                'student would learn nothing from it. Either the module is '
                'frozen (frozen_stages), or it lies inside a block that is '
                'checkpointed as a whole (with_cp=True, reentrant): record '
                'the block itself, or switch that off'
            )
