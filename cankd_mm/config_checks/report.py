"""Says what the checks found: on a command line, and before training."""

import argparse
import logging

from mmengine.config import Config
from mmengine.logging import print_log

from cankd_mm.config_checks.checks import check_config
from cankd_mm.config_checks.finding import Finding, Severity
from cankd_mm.utils.command_line import read_config

_LEVELS = {
    Severity.INFO: logging.INFO,
    Severity.NOT_CHECKED: logging.INFO,
    Severity.WARNING: logging.WARNING,
    Severity.ERROR: logging.ERROR,
}


class FaultyConfigError(ValueError):
    """A config has faults that training would not survive, or not show."""


def check_files(
    paths: list[str],
    cfg_options: dict | None = None,
    teacher_ckpt: str | None = None,
    gpus: int | None = None,
    verbose: bool = False,
) -> int:
    """Prints the findings in config files.

    Args:
        paths: Files, or ``package::path``.
        cfg_options: Overrides of every config.
        teacher_ckpt: The teacher's weights, in place of the configs'; a file
            that exists, or an address.
        gpus: As in :func:`check_config`.
        verbose: Print infos too.

    Returns:
        1 with errors or warnings, 2 if a config cannot be read, 0 otherwise:
        also if something is not checked.
    """
    least = Severity.INFO if verbose else Severity.NOT_CHECKED
    unread = faults = unchecked = 0
    for path in paths:
        try:
            cfg = _read(path, cfg_options, teacher_ckpt)
        except Exception as failure:  # a config is code and may raise any
            print(f'{path}\n  cannot be read: {failure}')
            unread += 1
            continue
        findings = check_config(cfg, gpus, dry_forward=True)
        shown = [f for f in findings if f.severity >= least]
        if shown:
            print(path)
            print('\n'.join(map(line, shown)))
        faults += sum(f.severity.is_fault for f in findings)
        unchecked += sum(f.severity is Severity.NOT_CHECKED for f in findings)
    print(_summary(len(paths) - unread, unread, faults, unchecked))
    return 2 if unread else int(faults > 0)


def _summary(checked: int, unread: int, faults: int, unchecked: int) -> str:
    parts = [f'{checked} config{"s" * (checked != 1)} checked']
    if faults:
        parts.append(f'{faults} fault{"s" * (faults != 1)} found')
    elif unchecked or unread:
        parts.append('no fault in what was checked')
    else:
        parts.append('no faults found')
    if unchecked:
        parts.append(f'{unchecked} not checked (see above)')
    if unread:
        parts.append(f'{unread} cannot be read')
    return ', '.join(parts)


def _read(path: str, cfg_options, teacher_ckpt: str | None) -> Config:
    cfg = read_config(
        argparse.Namespace(
            config=path,
            cfg_options=cfg_options,
            launcher='none',
            local_rank=0,
            work_dir=None,
        )
    )
    if teacher_ckpt:
        if 'teacher' not in (cfg.get('model') or {}):
            raise ValueError(
                f'--teacher-ckpt={teacher_ckpt}: the config has no teacher'
            )
        cfg.model.teacher_ckpt = teacher_ckpt
    return cfg


def line(finding: Finding) -> str:
    """A finding as the tool prints it."""
    text = str(finding).replace('\n', '\n' + ' ' * 11)
    name = finding.severity.name.lower().replace('_', ' ')
    return f'  {name:8} {text}'


def log_findings(findings: list[Finding]) -> None:
    """Writes findings into the log of a run."""
    for finding in findings:
        print_log(
            str(finding), logger='current', level=_LEVELS[finding.severity]
        )


def require_no_error(findings: list[Finding]) -> None:
    """Raises if there is an error among the findings.

    Raises:
        FaultyConfigError: It lists all faults.
    """
    if any(finding.severity == Severity.ERROR for finding in findings):
        faults = [f for f in findings if f.severity.is_fault]
        raise FaultyConfigError(
            'the config has faults; --no-check trains all the same:\n'
            + '\n'.join(map(line, faults))
        )
