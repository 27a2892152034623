"""Recorders, connectors and mappings belong together."""

import pytest

MAPPING = 'model.distiller.loss_forward_mappings.loss_cankd'


def distiller(body: str) -> str:
    return f'model = dict(distiller=dict({body}))'


def mapping(argument: str, body: str) -> str:
    return distiller(
        f'loss_forward_mappings=dict(loss_cankd=dict({argument}=dict({body})))'
    )


@pytest.mark.parametrize('role', ['student', 'teacher'])
def test_unused_recorder(lint, role):
    _, (finding,) = lint(
        distiller(
            f"{role}_recorders=dict(more=dict(type='ModuleOutputs', "
            "source='backbone'))"
        )
    )
    assert finding.startswith(
        f'warning  model.distiller.{role}_recorders.more: nothing uses'
    )


def test_unused_connector(lint):
    _, (finding,) = lint(
        distiller(
            "connectors=dict(up=dict(type='ProjectionConnector', "
            'out_channels=48, in_channels=48))'
        )
    )
    assert finding.startswith('warning  model.distiller.connectors.up')


@pytest.mark.parametrize(
    'argument, key, known',
    [
        ('s_feature', 'recorder', "['neck']. Did you mean 'neck'?"),
        ('t_feature', 'recorder', "['neck']. Did you mean 'neck'?"),
        ('s_feature', 'connector', '[]'),
    ],
)
def test_name_that_nothing_has(lint, argument, key, known):
    _, findings = lint(mapping(argument, f"{key}='nek'"))
    assert findings[0].startswith(
        f"error    {MAPPING}.{argument}.{key}: 'nek'; expected one of"
    )
    assert known in findings[0]


def test_mapping_of_no_loss(lint):
    _, findings = lint(
        distiller(
            'loss_forward_mappings=dict(loss_kankd=dict(s_feature=dict('
            "from_student=True, recorder='neck')))"
        )
    )
    assert any("Did you mean 'loss_cankd'?" in f for f in findings)


@pytest.mark.parametrize('index, fits', [(2, True), (-3, True), (3, False)])
def test_level_that_the_neck_does_not_have(lint, index, fits):
    body = ''.join(
        f'{name}=dict(data_idx={index}),'
        for name in ('s_feature', 't_feature')
    )
    code, findings = lint(
        distiller(
            'distill_losses=dict(loss_cankd=dict(num_levels=1)),'
            f'loss_forward_mappings=dict(loss_cankd=dict({body}))'
        )
    )
    if fits:
        assert (code, findings) == (0, [])
    else:
        assert len(findings) == 2
        assert "data_idx: 3; expected less than 3: 'neck'" in findings[0]
