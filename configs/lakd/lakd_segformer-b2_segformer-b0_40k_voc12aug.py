_base_ = [
    '../baselines/segformer-b0_40k_voc12aug.py',
    '../_base_/cankd_mm.py',
    '../_base_/distillers/lakd_mit.py',
]

model = dict(
    _delete_=True,
    type='mmrazor.LocalModuleDistill',
    architecture=_base_.model,
    teacher=dict(
        cfg_path='{{ fileDirname }}/../teachers/segformer-b2_40k_voc12aug.py'
    ),
    teacher_ckpt='work_dirs/segformer-b2_40k_voc12aug/iter_40000.pth',
    truncations=_base_.truncations,
    distiller=_base_.distiller,
)
