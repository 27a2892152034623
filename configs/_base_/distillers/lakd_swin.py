# The same between two Swin Transformers of one width (Swin-S to Swin-T). A stage
# ends with the downsampling to the next one, which its own map does not pass:
# cut is the input of that, so that it trains with the next module. The maps are
# those after the norm of each stage, which the heads train, too. Not published
# and not tuned; our choice.
_base_ = './lakd_mit.py'

truncations = [
    dict(module=f'backbone.stages.{i}.downsample', on='input')
    for i in range(3)
]
widths = dict(
    loss_lakd_1=96, loss_lakd_2=192, loss_lakd_3=384, loss_lakd_4=768
)
distiller = dict(
    distill_losses={
        loss: dict(student_channels=width, teacher_channels=width)
        for loss, width in widths.items()
    }
)
