# The same between the necks of two RTMDets, which have three levels. The
# student's are brought to the channels of RTMDet-m.
_base_ = './cankd_fpn.py'

channels = 192
distiller = dict(
    connectors=dict(
        to_teacher=dict(
            type='ProjectionConnector', out_channels=channels, num_levels=3
        ),
    ),
    distill_losses=dict(loss_cankd=dict(in_channels=channels, num_levels=3)),
    loss_forward_mappings=dict(
        loss_cankd=dict(s_feature=dict(connector='to_teacher'))
    ),
)
