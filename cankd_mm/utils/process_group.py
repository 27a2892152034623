"""How a distributed run of ``tools/`` starts and ends."""

import gc
import time

import torch
from mmengine.config import Config
from torch import distributed

# Seconds, without Python's lock. They need microseconds on an idle machine.
_THREADS_LET_GO = 0.5


def join_process_group(cfg: Config) -> None:
    """Makes a distributed run work where there is no GPU.

    MMEngine starts process groups on GPUs only. Without one, the group is
    started here, with gloo, and the model is wrapped without device ids.

    Raises:
        ValueError: Another launcher than 'pytorch' without a GPU.
    """
    if cfg.launcher == 'none' or torch.cuda.is_available():
        return
    if cfg.launcher != 'pytorch':
        raise ValueError(
            f'--launcher {cfg.launcher} needs GPUs and torch sees none. On '
            'CPUs start with torchrun (tools/dist_train.sh) and --launcher '
            'pytorch'
        )
    if not distributed.is_initialized():
        distributed.init_process_group('gloo')
    wrapper = dict(cfg.get('model_wrapper_cfg') or {})
    wrapper.setdefault('type', 'MMDistributedDataParallel')
    if wrapper['type'] == 'MMDistributedDataParallel':
        wrapper.setdefault('broadcast_buffers', False)
        wrapper.setdefault(
            'find_unused_parameters', cfg.get('find_unused_parameters', False)
        )
        wrapper['device_ids'] = None
    cfg.model_wrapper_cfg = wrapper


def leave_process_group() -> None:
    """Ends the process group, where there is one, before Python ends.

    A thread of the group that still holds a tensor while the interpreter
    goes down aborts the process, and a finished run counts as failed
    (pytorch/pytorch#190489; Python 3.14 no longer lets it). Destroying the
    group does not join the threads as long as a leftover of
    DistributedDataParallel holds it, so they are given time as well.
    """
    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()
        gc.collect()
        time.sleep(_THREADS_LET_GO)
