"""Files that stand where a checkpoint should be, and the word for each."""

import gzip
import io
import json
import os
import pickle
import random
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn


def checkpoint_bytes(content: object = None, **arguments) -> bytes:
    """What ``torch.save`` writes of a small model, or of ``content``."""
    if content is None:
        layers = nn.Sequential(nn.Conv2d(3, 64, 3), nn.BatchNorm2d(64))
        content = dict(state_dict=layers.state_dict(), meta=dict(epoch=1))
    buffer = io.BytesIO()
    torch.save(content, buffer, **arguments)
    return buffer.getvalue()


def flip_bytes(path: Path, count: int = 2000) -> Path:
    """Change bytes of a checkpoint's largest record, in place."""
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        record = max(archive.infolist(), key=lambda info: info.file_size)
    start = record.header_offset + 30 + 128
    places = range(start, record.header_offset + record.file_size)
    chosen = random.Random(0).sample(places, min(count, len(places)))
    for place in chosen:
        content[place] ^= 0x55
    path.write_bytes(content)
    return path


def _image(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.new('RGB', (8, 8)).save(buffer, kind)
    return buffer.getvalue()


def _zip(**entries: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w') as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode='w') as archive:
        content = checkpoint_bytes()
        info = tarfile.TarInfo('epoch_1.pth')
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _safetensors() -> bytes:
    header = json.dumps(
        dict(weight=dict(dtype='F32', shape=[1], data_offsets=[0, 4]))
    ).encode()
    return struct.pack('<Q', len(header)) + header + b'\0' * 4


def _torch_script() -> bytes:
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(nn.ReLU()), buffer)
    return buffer.getvalue()


def _npy() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    return buffer.getvalue()


def _old(**arguments) -> bytes:
    return checkpoint_bytes(_use_new_zipfile_serialization=False, **arguments)


def _damaged() -> bytes:
    content = bytearray(checkpoint_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = bytes(
        b ^ 0xFF for b in content[middle : middle + 64]
    )
    return bytes(content)


# Content and the words that the message must have, by name.
BYTES: dict[str, tuple[Callable[[], bytes], str]] = {
    'empty': (lambda: b'', 'an empty file, 0 bytes'),
    'truncated': (lambda: checkpoint_bytes()[:-3000], 'a truncated file'),
    'half': (
        lambda: checkpoint_bytes()[: len(checkpoint_bytes()) // 2],
        'a truncated file',
    ),
    'old truncated': (lambda: _old()[:-500], 'truncated or damaged'),
    'old half': (lambda: _old()[:300], 'truncated or damaged'),
    'damaged': (_damaged, 'a damaged checkpoint'),
    'zeros': (lambda: b'\0' * 5000, 'begins with zeros'),
    'html': (
        lambda: b'<!DOCTYPE html>\n<html><body>404</body></html>',
        'an HTML page',
    ),
    'xml': (
        lambda: b'<?xml version="1.0"?><Error><Code>AccessDenied</Code>',
        'an XML document',
    ),
    'git lfs': (
        lambda: (
            b'version https://git-lfs.github.com/spec/v1\n'
            b'oid sha256:4d7a\nsize 12345\n'
        ),
        'a Git LFS pointer',
    ),
    'text': (lambda: 'Grüße, no weights\n'.encode(), 'a text file'),
    'json': (lambda: b'{"epoch": 3}', 'a JSON file'),
    'png': (lambda: _image('PNG'), 'a PNG image'),
    'jpeg': (lambda: _image('JPEG'), 'a JPEG image'),
    'zip': (lambda: _zip(a=b'1', b=b'2'), 'a zip archive that is no'),
    'zip of checkpoints': (
        lambda: _zip(**{'run/epoch_1.pth': checkpoint_bytes()}),
        'a zip archive with files',
    ),
    'empty zip': (_zip, 'a zip archive that is no'),
    'torch script': (_torch_script, 'a TorchScript archive'),
    'onnx': (
        lambda: b'\x08\x08\x12\x07pytorch\x1a\x052.1.0:\x10' + b'\x0a' * 16,
        'an ONNX model',
    ),
    'safetensors': (_safetensors, 'a safetensors file'),
    'tar': (_tar, 'a tar archive'),
    'gzip': (lambda: gzip.compress(checkpoint_bytes()), 'a gzip archive'),
    'npy': (_npy, 'a NumPy array'),
    'pickle': (lambda: pickle.dumps([1, 2]), 'a pickle that torch.save did'),
    'random': (lambda: random.Random(3).randbytes(9000), 'unknown format'),
    'no weights': (
        lambda: checkpoint_bytes(dict(meta=dict(epoch=1), hooks=[])),
        'holds no weights (its keys: meta, hooks)',
    ),
    'a list': (lambda: checkpoint_bytes([1, 2]), 'no weights (it is a list)'),
}
# Their file names where these count.
SUFFIXES = {'config': '.py', 'yaml': '.yml'}
BYTES['config'] = (lambda: b"_base_ = 'a.py'\n", 'a Python file')
BYTES['yaml'] = (lambda: b'epoch: 3\n', 'a YAML file')


def write(name: str, folder: Path) -> tuple[Path, str]:
    """Make one of the files, or what is no file.

    Args:
        name: A key of ``BYTES``; 'folder', 'broken link', 'pipe'.
        folder: Where it goes.

    Returns:
        The path, and the words for it.
    """
    path = folder / f'{name.replace(" ", "_")}{SUFFIXES.get(name, ".pth")}'
    if name == 'folder':
        path.mkdir()
        (path / 'epoch_7.pth').touch()
        return path, 'a folder'
    if name == 'broken link':
        path.symlink_to(folder / 'removed.pth')
        return path, 'a broken link'
    if name == 'pipe':
        os.mkfifo(path)
        return path, 'a pipe or a device'
    content, words = BYTES[name]
    path.write_bytes(content())
    return path, words


NAMES = (*BYTES, 'folder', 'broken link', 'pipe')
