import json
import sys
from dataclasses import replace
from multiprocessing import get_context

import numpy as np
import pytest

from cankd_mm.datasets import DigitsSpec, make_digits
from cankd_mm.datasets.digits import load_handwriting


def contents(folder):
    return {
        path.relative_to(folder): path.read_bytes()
        for path in folder.rglob('*')
        if path.is_file()
    }


def test_same_spec_gives_the_same_files(digits, small_spec, tmp_path):
    again = make_digits(tmp_path, small_spec)
    assert again.name == digits.name
    assert contents(again) == contents(digits)


def test_another_seed_gives_other_images_in_another_folder(
    digits, digits_root, small_spec
):
    other = make_digits(digits_root, replace(small_spec, seed=1))
    assert other != digits
    name = 'JPEGImages/train_00000.jpg'
    assert (other / name).read_bytes() != (digits / name).read_bytes()


@pytest.mark.parametrize(
    'change',
    [
        dict(num_train=13),
        dict(num_val=7),
        dict(canvas=128),
        dict(digits_per_image=(1, 2)),
        dict(digit_size=(20, 30)),
    ],
    ids=str,
)
def test_each_parameter_has_a_folder_of_its_own(
    digits, digits_root, small_spec, change
):
    assert make_digits(digits_root, replace(small_spec, **change)) != digits


def test_larger_set_starts_with_the_smaller_one(
    digits, digits_root, small_spec
):
    larger = make_digits(digits_root, replace(small_spec, num_train=20))
    for image in (digits / 'JPEGImages').iterdir():
        same = larger / 'JPEGImages' / image.name
        assert same.read_bytes() == image.read_bytes()


def test_splits_share_no_handwriting():
    train, val = (
        {glyph.tobytes() for glyph in load_handwriting(split)[0]}
        for split in ('train', 'val')
    )
    assert not train & val
    sizes = [len(load_handwriting(split)[0]) for split in ('train', 'val')]
    assert sum(sizes) == 1797


def test_splits_are_contiguous_because_writers_are():
    from sklearn.datasets import load_digits

    train, val = (load_handwriting(s)[0] for s in ('train', 'val'))
    joined = np.concatenate([train, val]).reshape(-1, 64) * 16
    np.testing.assert_array_equal(joined, load_digits().data)


def test_both_splits_show_every_digit():
    for split in ('train', 'val'):
        assert set(load_handwriting(split)[1]) == set(range(10))


def test_second_call_paints_nothing(
    digits, digits_root, small_spec, monkeypatch
):
    def fail(*args):
        raise AssertionError('painted again')

    monkeypatch.setattr(
        sys.modules[make_digits.__module__], '_paint_split', fail
    )
    assert make_digits(digits_root, small_spec) == digits


def test_failure_leaves_nothing_behind(tmp_path, small_spec, monkeypatch):
    def fail(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(
        sys.modules[make_digits.__module__], 'write_split', fail
    )
    with pytest.raises(KeyboardInterrupt):
        make_digits(tmp_path, small_spec)
    assert list(tmp_path.iterdir()) == []


def make_and_read(root, spec):
    folder = make_digits(root, spec)
    return folder.name, len(list((folder / 'JPEGImages').iterdir()))


def test_processes_that_start_together_get_one_whole_set(tmp_path, small_spec):
    with get_context('spawn').Pool(2) as pool:
        results = pool.starmap(make_and_read, [(tmp_path, small_spec)] * 2)
    assert len(set(results)) == 1
    assert results[0][1] == small_spec.num_train + small_spec.num_val
    assert [path.name for path in tmp_path.iterdir()] == [results[0][0]]


def test_slower_process_takes_what_the_faster_one_made(
    tmp_path, small_spec, monkeypatch
):
    module = sys.modules[make_digits.__module__]
    write = module.write_split

    def overtaken(root, split, canvases):
        with monkeypatch.context() as patch:
            patch.setattr(module, 'write_split', write)
            make_digits(tmp_path, small_spec)
        write(root, split, canvases)

    monkeypatch.setattr(module, 'write_split', overtaken)
    folder = make_digits(tmp_path, small_spec)
    assert [path for path in tmp_path.iterdir()] == [folder]


def test_folder_says_what_it_holds(digits, small_spec):
    stamp = json.loads((digits / 'spec.json').read_text())
    assert stamp.pop('version') >= 1
    assert DigitsSpec(**stamp) == small_spec


@pytest.mark.parametrize(
    'wrong, named',
    [
        (dict(digits_per_image=(3, 2)), 'digits_per_image'),
        (dict(digits_per_image=(0, 2)), 'digits_per_image'),
        (dict(digit_size=(40, 20)), 'digit_size'),
        (dict(digit_size=(20, 97)), 'digit_size'),
        (dict(num_val=0), 'num_val'),
    ],
    ids=str,
)
def test_impossible_spec_names_the_argument(wrong, named):
    with pytest.raises(ValueError, match=named):
        DigitsSpec(**wrong)


def test_overfull_canvas_is_an_error_not_a_hang(tmp_path):
    spec = DigitsSpec(digits_per_image=(9, 9), digit_size=(40, 40))
    with pytest.raises(ValueError, match='digits_per_image'):
        make_digits(tmp_path, spec)


def test_missing_scikit_learn_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'sklearn.datasets', None)
    with pytest.raises(ImportError, match='pip install scikit-learn'):
        make_digits(tmp_path)
