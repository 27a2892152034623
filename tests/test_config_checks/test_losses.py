"""Distill losses are there, are computed, and reach the total."""


def test_name_without_loss_is_left_out_of_the_total(lint):
    _, (finding,) = lint("""
distiller = _base_.distiller
losses = distiller.distill_losses
losses.cankd = losses.pop('loss_cankd')
mappings = distiller.loss_forward_mappings
mappings.cankd = mappings.pop('loss_cankd')
model = dict(distiller=dict(_delete_=True, **distiller))
""")
    assert finding.startswith('error    model.distiller.distill_losses.cankd')
    assert "Call it 'loss_cankd'" in finding


def test_loss_without_a_mapping_is_never_computed(lint):
    _, (finding,) = lint("""
model = dict(distiller=dict(distill_losses=dict(
    loss_more=dict(type='CanKDLoss', in_channels=48))))
""")
    assert finding.startswith('error')
    assert "no entry 'loss_more' in loss_forward_mappings" in finding


def test_distiller_without_a_loss(lint):
    _, findings = lint("""
model = dict(distiller=dict(
    distill_losses=dict(_delete_=True),
    loss_forward_mappings=dict(_delete_=True)))
""")
    assert 'no loss, so the teacher teaches nothing' in findings[0]
