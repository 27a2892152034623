# LAKD between the ResNets of two detectors: three local modules, stem to
# layer2, layer3, and layer4 with neck and head. The first stage is frozen in
# MMDetection's recipes and has nothing to learn.
#
# Published: alpha * L_h + (1 - alpha) * L_att + beta * L_lf, without numbers.
# Ours: alpha = 0.5 and beta = 1, all divided by alpha, so that the detector's
# own losses keep their weights (and its learning rate its meaning):
#   attention_weight = (1 - alpha) / alpha / 3    the mean of three modules
#   feature_weight = beta / alpha
# The cuts are 'input', which leaves the task loss a way through the FPN.
truncations = [
    dict(module='backbone.layer3', on='input'),
    dict(module='backbone.layer4', on='input'),
]
# Stage and channels of ResNet-50 and -101 alike.
stages = [(2, 512), (3, 1024), (4, 2048)]
recorders = {
    f'stage{i}': dict(type='ModuleOutputs', source=f'backbone.layer{i}')
    for i, _ in stages
}
distiller = dict(
    _scope_='mmrazor',
    type='ConfigurableDistiller',
    student_recorders=recorders,
    teacher_recorders=recorders,
    distill_losses={
        f'loss_lakd_{i}': dict(
            type='LAKDLoss',
            student_channels=channels,
            teacher_channels=channels,
            attention_weight=1 / 3,
            feature_weight=2.0,
        )
        for i, channels in stages
    },
    loss_forward_mappings={
        f'loss_lakd_{i}': dict(
            s_feature=dict(from_student=True, recorder=f'stage{i}'),
            t_feature=dict(from_student=False, recorder=f'stage{i}'),
        )
        for i, _ in stages
    },
)
