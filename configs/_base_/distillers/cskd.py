# CSKD for dense prediction: the teacher's class logits teach the patches of the
# student's backbone through a classifier that is thrown away. A task adds
# where the logits are, and the classes.
distiller = dict(
    _scope_='mmrazor',
    type='ConfigurableDistiller',
    student_recorders=dict(
        patches=dict(type='ModuleOutputs', source='backbone'),
    ),
    connectors=dict(
        classify=dict(type='PatchClassifierConnector'),
    ),
    distill_losses=dict(
        loss_cskd=dict(type='CSKDLoss', global_term='decoupled', hard=False),
    ),
    loss_forward_mappings=dict(
        loss_cskd=dict(
            s_feature=dict(
                from_student=True,
                recorder='patches',
                data_idx=-1,
                connector='classify',
            ),
            t_feature=dict(from_student=False, recorder='logits'),
        ),
    ),
)
