"""One family: paired by each method, trained for a step."""

import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from cankd_mm.pairing.errors import PairingError
from cankd_mm.pairing.one_step import train_one_step
from cankd_mm.pairing.pair import PairRequest, make_pair
from cankd_mm.utils.config_file import config_from_file
from tests.architectures.models import STANDARD, FamilyFiles, Files
from tests.architectures.report import METHODS
from tests.families import faults
from tests.families.catalog import Family

OK = 'ok'
_FRAMES = 6


def attempt(
    family: Family,
    save: Callable[[dict], None],
    methods: Sequence[str] = METHODS,
) -> None:
    """Try a family.

    Args:
        family: What is tried.
        save: Is given the record of the family, again after every method.
        methods: Which methods are tried.
    """
    record = dict(
        family=family.name,
        config=family.path,
        config_error='',
        plain='',
        narrowed=True,
        cells={},
        seconds={},
        tracebacks={},
        running='',
    )
    save(record)
    if family.name not in faults.NOT_APPLICABLE:
        with tempfile.TemporaryDirectory() as folder:
            Trial(family, record, save, Path(folder)).run(methods)
    save(record)


class Trial:
    """The methods of one family, in their order.

    Args:
        family: What is tried.
        record: Where the outcomes go.
        save: Is given the record after every method.
        folder: Where configs are written.
    """

    def __init__(
        self,
        family: Family,
        record: dict,
        save: Callable[[dict], None],
        folder: Path,
    ) -> None:
        self.family = family
        self.record = record
        self.save = save
        self.folder = folder

    def run(self, methods: Sequence[str]) -> None:
        """Try the methods, and the plain student where one is not ok."""
        try:
            self.made = FamilyFiles(self.family, self.folder)
            self.files = self.made.narrow()
        except Exception as error:
            self._failed('config', error)
            self.record['config_error'] = faults.described(error)
            return
        for method in methods:
            self._announce(method)
            start = time.perf_counter()
            cell = self._cell(method)
            if not cell.startswith(OK) and not self._plain_trains():
                # No method trains what does not train by itself.
                if self.record['plain'] != OK:
                    return
                cell = self._cell(method)
            self.record['cells'][method] = cell
            took = round(time.perf_counter() - start, 1)
            self.record['seconds'][method] = took
            self._announce('')

    def _announce(self, running: str) -> None:
        self.record['running'] = running
        self.save(self.record)

    def _cell(self, method: str) -> str:
        try:
            return self._trained(method, self.files)
        except PairingError as error:
            refusal = error
        except Exception as error:
            return f'failed: {self._failed(method, error)}'
        if method == 'cskd' and (teacher := self.made.standard_teacher()):
            try:
                self._trained(method, Files(self.files.student, teacher))
                folder = STANDARD[self.made.scope].split('/')[0].split(':')[-1]
                return f'{OK} (teacher: {folder})'
            except PairingError as error:
                refusal = error
            except Exception as error:
                return f'failed: {self._failed(method, error)}'
        return f'refused: {" ".join(str(refusal).split())}'

    def _trained(self, method: str, files: Files) -> str:
        pair = make_pair(
            PairRequest(
                student=str(files.student),
                teacher=str(files.teacher),
                method=method,
                size=self.made.size,
            )
        )
        file = self.made.write(f'{files.teacher.stem}_{method}', pair.text)
        train_one_step(config_from_file(file, 'config'), self.made.size)
        return OK

    def _plain_trains(self) -> bool:
        """Train the plain student; the whole one if the narrow one fails.

        Returns:
            Whether the student of the last cell trains. If only the whole one
            does, it is the student from here on.
        """
        if self.record['plain'] == OK:
            return True
        if self._trains_by_itself():
            return True
        if not faults.missing_package(self.record['plain']):
            self.files = self.made.whole()
            self.record['narrowed'] = False
            self._trains_by_itself()
        return False

    def _trains_by_itself(self) -> bool:
        try:
            config = config_from_file(self.files.student, 'config')
            train_one_step(config, self.made.size)
            self.record['plain'] = OK
        except Exception as error:
            self.record['plain'] = self._failed('plain', error)
        return self.record['plain'] == OK

    def _failed(self, what: str, error: Exception) -> str:
        self.record['tracebacks'][what] = traceback.format_exc(limit=-_FRAMES)
        return faults.described(error)
