"""What the command lines of ``tools/`` share."""

import argparse
import logging
import os
from pathlib import Path

from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from cankd_mm.utils.config_file import config_from_file
from cankd_mm.utils.config_options import ConfigOptions
from cankd_mm.utils.process_group import join_process_group
from cankd_mm.utils.torchvision_state import torchvision_notice

# Where launchers write the number of processes, and a process's own.
_WORLD_SIZES = dict(
    pytorch='WORLD_SIZE',
    slurm='SLURM_NTASKS',
    mpi='OMPI_COMM_WORLD_SIZE',
)
_RANKS = dict(
    pytorch='RANK',
    slurm='SLURM_PROCID',
    mpi='OMPI_COMM_WORLD_RANK',
)


def add_shared_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options that training and testing have in common."""
    parser.add_argument(
        'config', help='a config file, or package::path for one of a package'
    )
    parser.add_argument(
        '--work-dir',
        help='where logs and results go (work_dirs/<config name>)',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=ConfigOptions,
        metavar='KEY=VALUE',
        help='overrides of the config, such as train_cfg.max_epochs=1 or '
        'model.distiller.distill_losses.loss_cankd.loss_weight=2',
    )
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='how the processes of a distributed run were started',
    )
    # Launchers of torch 2 write --local-rank, older ones --local_rank.
    parser.add_argument(
        '--local-rank', '--local_rank', type=int, default=0, dest='local_rank'
    )


def read_config(args: argparse.Namespace) -> Config:
    """Reads the config and applies the shared options."""
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    cfg = config_from_file(args.config, 'config', args.cfg_options)
    cfg.launcher = args.launcher
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        name = Path(args.config.rpartition('::')[2]).stem
        cfg.work_dir = str(Path('work_dirs') / name)
    return cfg


def world_size(launcher: str) -> int:
    """How many processes a launcher has started, before they are connected.

    Args:
        launcher: As ``--launcher``.
    """
    variable = _WORLD_SIZES.get(launcher)
    return int(os.environ.get(variable, 1)) if variable else 1


def rank(launcher: str) -> int:
    """Return the number of this process before processes are connected.

    Args:
        launcher: As ``--launcher``.
    """
    variable = _RANKS.get(launcher)
    return int(os.environ.get(variable, 0)) if variable else 0


def build_runner(cfg: Config) -> Runner:
    """Builds the runner of a config, on GPUs or CPUs, alone or distributed.

    Warns where torchvision does not work, or a GPU run is without it.

    Raises:
        ValueError: Another launcher than 'pytorch' without a GPU.
    """
    join_process_group(cfg)
    notice = torchvision_notice()
    try:
        if 'runner_type' in cfg:
            return RUNNERS.build(cfg)
        return Runner.from_cfg(cfg)
    finally:
        if notice:  # by now there is a log file
            print_log(notice, logger='current', level=logging.WARNING)
