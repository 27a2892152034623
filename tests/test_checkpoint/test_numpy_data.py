"""A file builds arrays of numbers and text, from as many bytes as it has."""

import pickle
import struct

import numpy as np
import pytest
import torch
from mmengine.runner import CheckpointLoader

from cankd_mm.checkpoint.errors import UnsafeCheckpointError
from cankd_mm.compat import checkpoint_loading


@pytest.fixture(autouse=True, params=['of this torch', 'restricted unpickler'])
def mechanism(request, monkeypatch):
    """Both ways to enforce the list, whichever this torch would choose."""
    if request.param == 'restricted unpickler':
        monkeypatch.setattr(
            checkpoint_loading, '_has_allow_list', lambda: False
        )


def load(content, path):
    torch.save(content, path)
    return CheckpointLoader.load_checkpoint(str(path), 'cpu', logger='silent')


VALUES = [
    np.arange(6, dtype='i4').reshape(2, 3),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.array([1.5, -2], dtype='>f8'),
    np.array([True, False]),
    np.array([1 + 2j], dtype='c8'),
    np.array(['a', 'bcd']),
    np.array([b'a', b'bcd']),
    np.array(['2020-01-02'], dtype='M8[D]'),
    np.array([5], dtype='m8[25s]'),
    np.zeros((2, 2), dtype='f2'),
    np.array(3),
    np.float64(0.25),
    np.int64(-7),
    np.bool_(True),
    np.str_('name'),
    np.bytes_(b'name'),
]


@pytest.mark.parametrize('value', VALUES, ids=repr)
def test_numbers_and_text_are_read(value, tmp_path):
    found = load(dict(a=value), tmp_path / 'a.pth')['a']
    # numpy turns foreign byte orders into this machine's.
    value = pickle.loads(pickle.dumps(value, 2))
    assert found.dtype == value.dtype
    assert found.shape == value.shape
    np.testing.assert_array_equal(found, value)
    assert pickle.dumps(found) == pickle.dumps(value)


class Call:
    """Pickles as a call, and sets a state if one is given."""

    def __init__(self, function, *arguments, state=None):
        self.function, self.arguments = function, arguments
        self.state = state

    def __reduce__(self):
        made = self.function, self.arguments
        return made if self.state is None else (*made, self.state)


_reconstruct = np.array(0).__reduce__()[0]
_scalar = np.float64(0).__reduce__()[0]
OBJECT = Call(np.dtype, 'O')
POINTER = struct.pack('<Q', 0x4141414141414141)
# The state of a type of one field that holds an object.
FIELDS = (3, '|', None, ('a',), {'a': (OBJECT, 0)}, 8, 1, 16)
FORGED = {
    'array from bytes': Call(np.ndarray, (1,), OBJECT, POINTER),
    'memory as it is': Call(np.ndarray, (4096,), Call(np.dtype, 'u8')),
    'a view of an array': Call(
        np.ndarray, (1,), Call(np.dtype, 'u8'), np.zeros(1)
    ),
    'objects': np.array([dict(a=1)], dtype=object),
    'memory by shape': Call(_reconstruct, np.ndarray, (4096,), b'u8'),
    'objects by code': Call(_reconstruct, np.ndarray, (1,), b'O'),
    'another class': Call(_reconstruct, dict, (0,), b'b'),
    'type of objects': OBJECT,
    'type of fields': Call(np.dtype, [('a', 'O')]),
    'type of parts': Call(np.dtype, 'O,O'),
    'state of fields': Call(np.dtype, 'U2', state=FIELDS),
    'state of another size': Call(
        _reconstruct,
        np.ndarray,
        (0,),
        b'b',
        state=(1, (1000,), Call(np.dtype, 'f8'), False, b'12345678'),
    ),
    'number of an object': Call(_scalar, OBJECT, POINTER),
    'number of few bytes': Call(_scalar, Call(np.dtype, 'f8'), b'1'),
}


@pytest.mark.parametrize('name', FORGED)
def test_what_reads_memory_is_refused(name, tmp_path):
    with pytest.raises((UnsafeCheckpointError, ValueError), match='a.pth'):
        load(dict(a=FORGED[name]), tmp_path / 'a.pth')
