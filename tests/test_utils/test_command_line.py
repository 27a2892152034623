"""What the command lines share."""

import pytest

from cankd_mm.utils.command_line import world_size


@pytest.mark.parametrize(
    'launcher, variable',
    [
        ('pytorch', 'WORLD_SIZE'),
        ('slurm', 'SLURM_NTASKS'),
        ('mpi', 'OMPI_COMM_WORLD_SIZE'),
    ],
)
def test_launchers_tell_the_number_of_processes(
    launcher, variable, monkeypatch
):
    monkeypatch.setenv(variable, '8')
    assert world_size(launcher) == 8
    assert world_size('none') == 1
