# The same where the teacher's pyramid starts at P2 and the student's at P3:
# one loss for each of P3 to P6, so that either side can say where it has it.
_base_ = './cankd_fpn.py'

loss = _base_.distiller.distill_losses.loss_cankd
loss.num_levels = 1
distiller = dict(
    distill_losses=dict(
        _delete_=True, **{f'loss_cankd_p{i}': loss for i in range(3, 7)}
    ),
    loss_forward_mappings=dict(
        _delete_=True,
        **{
            f'loss_cankd_p{i}': dict(
                s_feature=dict(
                    from_student=True, recorder='neck', data_idx=i - 3
                ),
                t_feature=dict(
                    from_student=False, recorder='neck', data_idx=i - 2
                ),
            )
            for i in range(3, 7)
        },
    ),
)
