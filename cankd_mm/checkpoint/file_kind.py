"""Recognizes what a file is that should be a checkpoint.

Downloads that failed, repositories without their large files, swapped
arguments: what is found in place of a checkpoint is rarely a mystery. A
message that names it saves the reader a search.
"""

import os
import stat
import zipfile
from dataclasses import dataclass
from pathlib import Path

_HEAD = 4096
_COPY_AGAIN = 'Copy or download the file again'
_CHECKPOINT = 'Give the path of a checkpoint (.pth)'


class UnreadableCheckpointError(ValueError):
    """A file that should be a checkpoint is something else, or damaged.

    Args:
        path: Of the file.
        key: The config key or option the path stands under.
        found: What the file is, with its article.
        remedy: What to do about it, a sentence without the full stop.
    """

    expected = 'a checkpoint that torch.save wrote (.pth)'

    def __init__(
        self, path: str | os.PathLike, key: str, found: str, remedy: str
    ) -> None:
        self.path, self.key = str(path), key
        self.found, self.remedy = found, remedy
        super().__init__(str(self))

    def __str__(self) -> str:
        """Key, file, what it is and its size, what was expected, remedy."""
        return (
            f'{self.key}={self.path!r} is {self.found}{_size(self.path)}; '
            f'expected {self.expected}. {self.remedy}'
        )

    def __reduce__(self):
        """Survive the way from one process to another."""
        return type(self), (self.path, self.key, self.found, self.remedy)

    def under(self, key: str) -> 'UnreadableCheckpointError':
        """Return the same error about another key."""
        return type(self)(self.path, key, self.found, self.remedy)


class ForbiddenCheckpointError(UnreadableCheckpointError, PermissionError):
    """A file that this user may not read; it may well be a checkpoint."""


@dataclass(frozen=True)
class FileKind:
    """What a file is, if it is no checkpoint.

    Attributes:
        name: With its article: 'an HTML page'.
        remedy: What to do about it, a sentence without the full stop.
    """

    name: str
    remedy: str = _CHECKPOINT


_MAGIC = (
    (b'\x89PNG\r\n\x1a\n', 'a PNG image'),
    (b'\xff\xd8\xff', 'a JPEG image'),
    (b'GIF8', 'a GIF image'),
    (b'BM', 'a BMP image'),
    (b'II*\x00', 'a TIFF image'),
    (b'MM\x00*', 'a TIFF image'),
    (b'%PDF', 'a PDF document'),
    (b'\x7fELF', 'a program or library (ELF)'),
)
_PACKED = (
    (b'\x1f\x8b', 'a gzip archive', 'gunzip or tar -xzf'),
    (b'BZh', 'a bzip2 archive', 'bunzip2 or tar -xjf'),
    (b'\xfd7zXZ\x00', 'an xz archive', 'unxz or tar -xJf'),
    (b'\x28\xb5\x2f\xfd', 'a Zstandard archive', 'unzstd'),
    (b'7z\xbc\xaf\x27\x1c', 'a 7z archive', '7z x'),
    (b'Rar!', 'a RAR archive', 'unrar x'),
)
_FRAMEWORKS = (
    (b'\x89HDF\r\n\x1a\n', 'an HDF5 file (Keras)'),
    (b'\x93NUMPY', 'a NumPy array (.npy)'),
    (b'GGUF', 'a GGUF file'),
)
_CONVERT = (
    'Load it with the library that wrote it and save its weights with '
    "torch.save(dict(state_dict=...), 'out.pth')"
)
_PICKLE = FileKind('a pickle that torch.save did not write', _CONVERT)
# What torch.save wrote first before 1.6: the number 0x1950a86a20f9469cfc6c.
_OLD_TORCH = b'\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.'
# Second field of an ONNX model: everything that may follow `ir_version`.
_ONNX_FIELDS = b'\x12\x1a\x22\x2a\x32\x3a\x42'


def file_kind(path: str | os.PathLike) -> FileKind | None:
    """Return what a file is that torch cannot load; None for a checkpoint.

    Args:
        path: Of something that exists, be it a folder or a broken link.

    Returns:
        None where the file may be a checkpoint: an archive or a pickle as
        ``torch.save`` writes them. Their content is not looked at.

    Raises:
        OSError: The file cannot be opened.
    """
    path = Path(path)
    if path.is_symlink() and not path.exists():
        return FileKind(
            f'a broken link: it leads to {os.readlink(path)}, which does not '
            'exist',
            'Restore what it leads to, or give the path of the file itself',
        )
    if path.is_dir():
        return _folder(path)
    if not path.is_file():
        kind = stat.filemode(path.stat().st_mode)
        return FileKind(f'a pipe or a device ({kind}), not a regular file')
    size = path.stat().st_size
    if size == 0:
        return FileKind('an empty file', _COPY_AGAIN)
    with path.open('rb') as file:
        head = file.read(_HEAD)
        if is_archive(head):
            return _zip_archive(path)
        if is_pickle(head):
            return None if is_old_checkpoint(head) else _PICKLE
        if not any(head):
            return FileKind(
                'a file that begins with zeros: a copy that was interrupted',
                _COPY_AGAIN,
            )
        return (
            _by_magic(head)
            or _tensors(head, size)
            or _text(path, head)
            or FileKind(
                f'a file of an unknown format (it begins with {head[:8]!r})',
                f'{_COPY_AGAIN}, or {_CHECKPOINT.lower()}',
            )
        )


def require_checkpoint_file(path: str | os.PathLike, key: str) -> None:
    """Raise if a local file is something else than a checkpoint.

    Args:
        path: Of something that exists.
        key: The config key or option it stands under.

    Raises:
        UnreadableCheckpointError: It is. The message names key, path, what
            it is and its size, what was expected, and what to do.
            ForbiddenCheckpointError where it may not be read.
    """
    try:
        kind = file_kind(path)
    except PermissionError as error:
        raise ForbiddenCheckpointError(
            path,
            key,
            'a file without permission to read it',
            'Ask its owner for the permission (chmod a+r), or copy it as a '
            'user who has it',
        ) from error
    if kind is not None:
        raise UnreadableCheckpointError(path, key, kind.name, kind.remedy)


def _folder(path: Path) -> FileKind:
    inside = sorted(
        path.glob('*.pth'), key=lambda file: file.stat().st_mtime, reverse=True
    )
    if not inside:
        return FileKind('a folder', 'Give the path of a checkpoint in it')
    names = ', '.join(file.name for file in inside[:3])
    return FileKind('a folder', f'Give a file in it, the newest are: {names}')


def _zip_archive(path: Path) -> FileKind | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, EOFError, OSError, ValueError):
        return FileKind(
            'a truncated file: it begins as a checkpoint and its end is '
            'missing or damaged',
            f'{_COPY_AGAIN}, or take another checkpoint',
        )
    inner = {name.partition('/')[2] for name in names}
    if 'constants.pkl' in inner or any(n.startswith('code/') for n in inner):
        return FileKind(
            'a TorchScript archive (torch.jit.save): a program, not weights',
            'Give the checkpoint that it was made from',
        )
    if 'data.pkl' in inner:
        return None
    weights = [n for n in names if n.endswith(('.pth', '.pt', '.bin'))]
    if weights:
        return FileKind(
            'a zip archive with files in it',
            f'Unpack it and give {weights[0]} of it',
        )
    first = ', '.join(names[:3]) or 'nothing'
    return FileKind(f'a zip archive that is no checkpoint (it holds {first})')


def _by_magic(head: bytes) -> FileKind | None:
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return FileKind(name)
    if head[:4] == b'RIFF' and head[8:12] == b'WEBP':
        return FileKind('a WebP image')
    for magic, name, command in _PACKED:
        if head.startswith(magic):
            return FileKind(
                name, f'Unpack it ({command}) and give a checkpoint in it'
            )
    if head[257:262] == b'ustar':
        return FileKind(
            'a tar archive',
            'Unpack it (tar -xf) and give a checkpoint in it',
        )
    for magic, name in _FRAMEWORKS:
        if head.startswith(magic):
            return FileKind(name, _CONVERT)
    return None


def is_archive(head: bytes) -> bool:
    """Whether bytes begin a zip archive, as checkpoints since torch 1.6."""
    return head.startswith((b'PK\x03\x04', b'PK\x05\x06'))


def is_pickle(head: bytes) -> bool:
    """Whether bytes begin a pickle, as files of torch before 1.6 are."""
    return len(head) > 1 and head[0] == 0x80 and 2 <= head[1] <= 5


def is_old_checkpoint(head: bytes) -> bool:
    """Whether bytes begin what ``torch.save`` wrote before torch 1.6."""
    # Pickle protocols from 4 on put a frame around it.
    return is_pickle(head) and _OLD_TORCH in head[:32]


def _tensors(head: bytes, size: int) -> FileKind | None:
    length = int.from_bytes(head[:8], 'little')
    if head[8:9] == b'{' and 2 <= length <= size - 8:
        return FileKind(
            'a safetensors file',
            'Convert it: python -c "import torch; from safetensors.torch '
            "import load_file; torch.save(dict(state_dict=load_file('in'))"
            ", 'out.pth')\"",
        )
    if head[:1] == b'\x08' and head[2:3] in _ONNX_FIELDS and head[1] < 64:
        return FileKind(
            'an ONNX model',
            'Give the checkpoint that it was exported from',
        )
    return None


def _text(path: Path, head: bytes) -> FileKind | None:
    # The head may end within a character.
    text = head.decode('utf-8', errors='ignore')
    lost = len(head) - len(text.encode('utf-8'))
    if lost > 3 or any(c < ' ' and c not in '\t\n\r\f' for c in text):
        return None
    start = text.lstrip('\ufeff \t\n\r').lower()
    if start.startswith('version https://git-lfs'):
        return FileKind(
            'a Git LFS pointer, which stands for a large file that was not '
            'fetched',
            'Fetch it: git lfs install && git lfs pull, in its repository',
        )
    if start.startswith(('<!doctype html', '<html', '<head', '<body')):
        return FileKind(
            'an HTML page: the server sent a page in place of the file',
            'Download it again, from the address of the file itself; a page '
            'often asks for a login or a confirmation (open it in a browser)',
        )
    if start.startswith('<'):
        return FileKind(
            'an XML document, which servers send in place of a file that is '
            'missing or not public',
            'Download it again',
        )
    if path.suffix == '.py':
        return FileKind(
            'a Python file',
            'A config holds no weights: are config and checkpoint swapped? '
            f'{_CHECKPOINT}',
        )
    if start.startswith(('{', '[')):
        return FileKind('a JSON file')
    if path.suffix in ('.yml', '.yaml'):
        return FileKind('a YAML file')
    first = text.strip().partition('\n')[0].strip()
    return FileKind(f'a text file (it begins with {first[:60]!r})')


def _size(path: str) -> str:
    try:
        return f', {os.path.getsize(path):,} bytes'
    except OSError:
        return ''
