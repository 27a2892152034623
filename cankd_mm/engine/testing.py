"""Evaluates the student alone, whatever config and checkpoint hold."""

from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config
from mmengine.evaluator import DumpResults
from mmengine.logging import print_log

from cankd_mm.utils.checkpoint import (
    load_state,
    read_checkpoint,
    student_state_dict,
    weights_of,
)
from cankd_mm.utils.command_line import build_runner
from cankd_mm.utils.distillation_config import (
    is_distillation,
    plain_student_config,
)
from cankd_mm.utils.model_wrapper import unwrapped_model

# A model that misses more than this of its weights measures nothing.
_MIN_COVERAGE = 0.99


@dataclass(frozen=True)
class TestingOptions:
    """What a test's command line says beside the config.

    Attributes:
        checkpoint: A distillation checkpoint, a student's or a plain one.
        out: Write the predictions to this pickle file.
        show_dir: Paint the predictions into images in this folder.
    """

    __test__ = False  # not a test class, whatever pytest thinks of its name

    checkpoint: str
    out: str | None = None
    show_dir: str | None = None


def test(cfg: Config, options: TestingOptions) -> dict[str, float]:
    """Evaluates on the test set of a config.

    Args:
        cfg: Of a distillation, of which the student is evaluated, or plain.
        options: What the command line says.

    Returns:
        The metrics, as the config's evaluator names them.

    Raises:
        FileNotFoundError: There is no such checkpoint.
        ValueError: The checkpoint does not belong to the model, or an option
            does not fit the config.
    """
    if options.out and not options.out.endswith(('.pkl', '.pickle')):
        raise ValueError(f'--out={options.out!r} must end with .pkl')
    content = read_checkpoint(options.checkpoint, 'checkpoint')
    state = weights_of(content, options.checkpoint, 'checkpoint')
    student = student_state_dict(state)
    print_log(
        f'{"Distillation" if is_distillation(cfg) else "Plain"} config, '
        f'{"plain" if student is state else "distillation"} checkpoint: '
        f'evaluating {_what(cfg, student is not state)}.',
        logger='current',
    )
    if is_distillation(cfg):
        cfg = plain_student_config(cfg)
    cfg.load_from, cfg.resume = None, False
    if options.show_dir:
        _paint(cfg, options.show_dir)
    runner = build_runner(cfg)
    model = unwrapped_model(runner.model)
    report = load_state(model, student, f'checkpoint={options.checkpoint!r}')
    print_log(str(report), logger='current')
    report.require(_MIN_COVERAGE, 'config')
    if options.out:
        runner.test_evaluator.metrics.append(_dump(cfg, options.out))
    metrics = runner.test()
    print_log(
        '  '.join(f'{name}: {value}' for name, value in metrics.items()),
        logger='current',
    )
    return metrics


def _what(cfg: Config, is_distilled: bool) -> str:
    if is_distillation(cfg) or is_distilled:
        return 'the student alone'
    return 'the model'


def _paint(cfg: Config, folder: str) -> None:
    """Makes the task library's visualization hook paint into ``folder``."""
    kind = 'Seg' if cfg.get('default_scope') == 'mmseg' else 'Det'
    # Config.setdefault returns a copy of a dict, so set, then get.
    cfg.setdefault('default_hooks', {})
    cfg.default_hooks.setdefault(
        'visualization', dict(type=f'{kind}VisualizationHook')
    )
    cfg.setdefault(
        'visualizer',
        dict(
            type=f'{kind}LocalVisualizer',
            vis_backends=[dict(type='LocalVisBackend')],
            name='visualizer',
        ),
    )
    hook = cfg.default_hooks.visualization
    hook.draw = True
    if 'Det' in hook.type:
        hook.test_out_dir = str(Path(folder).resolve())
    else:
        cfg.visualizer.save_dir = folder


def _dump(cfg: Config, path: str):
    if cfg.get('default_scope') == 'mmdet':
        from mmdet.evaluation import DumpDetResults

        return DumpDetResults(out_file_path=path)
    return DumpResults(out_file_path=path)
