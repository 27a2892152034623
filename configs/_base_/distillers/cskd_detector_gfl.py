# The same with a GFL as the teacher, whose dense head has one score for each
# class and position. The student may have another head, because only its
# backbone is taught: it is the RetinaNet with Swin-T that RetinaNet R101 teaches
# too, so that the two teachers can be compared. Not published and not tuned; our
# choice.
_base_ = './cskd_detector.py'

distiller = dict(
    teacher_recorders=dict(
        logits=dict(source='mmdet.models.dense_heads.gfl_head.GFLHead.forward')
    )
)
