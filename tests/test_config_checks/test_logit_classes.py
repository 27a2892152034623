"""Losses on class logits compare models with the same classes."""

CSKD = 'configs/digits/cskd_segformer.py'
SEGMENTOR = 'configs/digits/cankd_segmentor.py'
RANDOM_TEACHER = """
model = dict(
    teacher_ckpt=None,
    allow_random_teacher=True,
    teacher=dict(decode_head=dict(
        num_classes=7, loss_decode=dict(class_weight=None))),
    distiller=dict({distiller}),
)
"""
LOGITS = """
        _delete_=True,
        _scope_='mmrazor',
        type='ConfigurableDistiller',
        student_recorders=dict(
            x=dict(type='ModuleOutputs', source='decode_head.conv_seg')),
        teacher_recorders=dict(
            x=dict(type='ModuleOutputs', source='decode_head.conv_seg')),
        distill_losses=dict(loss_kd=dict(type='ChannelWiseDivergence')),
        loss_forward_mappings=dict(loss_kd=dict(
            preds_S=dict(from_student=True, recorder='x'),
            preds_T=dict(from_student=False, recorder='x'))),
"""


def test_patch_classifier_of_another_class_count(lint):
    _, (finding,) = lint(
        'model = dict(distiller=dict(connectors=dict('
        'classify=dict(num_classes=21))))',
        base=CSKD,
    )
    assert (
        'model.distiller.connectors.classify.num_classes: 21; expected 11'
        in finding
    )


def test_cskd_from_a_teacher_of_other_classes(lint):
    _, (finding,) = lint(RANDOM_TEACHER.format(distiller=''), base=CSKD)
    assert 'loss_cskd.num_classes: 11, for a teacher of 7 classes' in finding


def test_logits_of_two_class_counts(lint):
    _, (finding,) = lint(
        RANDOM_TEACHER.format(distiller=LOGITS), base=SEGMENTOR
    )
    assert 'a student of 11 classes and a teacher of 7' in finding


def test_features_know_no_classes(lint):
    body = RANDOM_TEACHER.format(distiller='')
    assert lint(body, base=SEGMENTOR) == (0, [])
