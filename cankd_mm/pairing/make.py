"""Writes a pair's config that has been checked."""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mmengine.config import Config

from cankd_mm.config_checks import check_config
from cankd_mm.config_checks.finding import Finding, Severity
from cankd_mm.config_checks.quiet import quiet
from cankd_mm.config_checks.report import line
from cankd_mm.pairing.errors import PairingError
from cankd_mm.pairing.pair import Pair, PairRequest, make_pair
from cankd_mm.utils.config_file import config_from_file


@dataclass(frozen=True)
class MadeConfig:
    """A config that was written.

    Attributes:
        path: The file.
        pair: What was chosen.
        cfg: The config as it runs.
        findings: What the checks of a config found; no errors.
    """

    path: Path
    pair: Pair
    cfg: Config
    findings: Sequence[Finding]


def write_pair(
    request: PairRequest, path: Path, reuse: bool = False
) -> MadeConfig:
    """Make the config of a pair, check it, and write it.

    Nothing is written if the checks find an error.

    Args:
        request: What is asked for; its folder is that of ``path``.
        path: The config file.
        reuse: Take a file that is there, if it has the same text.

    Raises:
        PairingError: The method makes no sense for the pair, the teacher has
            no weights, or the config has errors.
        FileExistsError: The file is there, or has another text.
        OSError: The file cannot be written.
        FileNotFoundError: There is no such config.
        ValueError: A config has no model.
    """
    if path.exists() and not reuse:
        raise FileExistsError(
            f'{path} is there already, and nothing was written. Name another '
            'file with --out'
        )
    with quiet():
        pair = make_pair(replace(request, folder=path.parent))
    if pair.teacher_ckpt is None:
        raise PairingError(
            f'the teacher {request.teacher} has no published weights in the '
            'metafile beside it. Name its checkpoint: --teacher-ckpt FILE or '
            'URL'
        )
    _require_same_text(path, pair.text)
    with tempfile.TemporaryDirectory() as folder:
        checked = Path(folder, path.name)
        checked.write_text(pair.absolute_text, encoding='utf-8')
        with quiet():
            cfg = config_from_file(checked, 'config')
            findings = check_config(cfg, dry_forward=True)
    errors = [f for f in findings if f.severity is Severity.ERROR]
    if errors:
        raise PairingError(
            'the config of this pair has faults, and nothing was written:\n'
            + '\n'.join(map(line, errors))
        )
    _write_new(path, pair.text)
    return MadeConfig(path, pair, config_from_file(path, 'config'), findings)


def _write_new(path: Path, text: str) -> None:
    """Write a file as a whole, unless it is there with this very text.

    Processes of one training do so at the same time.

    Raises:
        FileExistsError: It is there with another text.
    """
    if path.exists():
        _require_same_text(path, text)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp('.part', f'.{path.stem}.', path.parent)
    try:
        with os.fdopen(handle, 'w', encoding='utf-8') as file:
            file.write(text)
        os.chmod(name, 0o644)
        try:
            os.link(name, path)  # which never replaces a file
        except FileExistsError:
            _require_same_text(path, text)
    finally:
        os.unlink(name)


def _require_same_text(path: Path, text: str) -> None:
    if path.exists() and path.read_text(encoding='utf-8') != text:
        raise FileExistsError(
            f'{path} is there with another text, and nothing was written. '
            'Train it as it is (tools/train.py), remove it, or name another '
            'place (--out, or --work-dir)'
        )


def default_name(student: str, teacher: str, method: str) -> str:
    """Return the file name of a pair: method, teacher, student.

    Args:
        student: The student's config.
        teacher: The teacher's.
        method: The method.
    """
    stems = [Path(p.rpartition('::')[2]).stem for p in (teacher, student)]
    return f'{method}_{stems[0]}_{stems[1]}.py'
