import pytest

from cankd_mm.datasets.preparation.own.split_words import split_of, split_word
from cankd_mm.datasets.preparation.own.splits import make_split

NAMES = [f'images/{number}.jpg' for number in range(50)]


def one_kind(names):
    return {name: {'a'} for name in names}


@pytest.mark.parametrize('fraction, size', [(0.2, 10), (0.5, 25), (0.01, 1)])
def test_val_has_its_share(fraction, size):
    train, val = make_split(NAMES, one_kind(NAMES), fraction, 0)
    assert len(val) == size
    assert sorted(train + val) == sorted(NAMES)


def test_order_of_the_names_does_not_count():
    first = make_split(NAMES, one_kind(NAMES), 0.2, 3)
    assert make_split(NAMES[::-1], one_kind(NAMES), 0.2, 3) == first
    assert make_split(NAMES, one_kind(NAMES), 0.2, 4) != first


def test_split_is_the_same_on_every_computer():
    # A hash of names; written down so that a change is seen.
    _, val = make_split(NAMES[:10], one_kind(NAMES), 0.3, 0)
    assert val == ['images/0.jpg', 'images/4.jpg', 'images/6.jpg']


def test_added_images_leave_most_others_where_they_were():
    _, before = make_split(NAMES[:40], one_kind(NAMES), 0.25, 0)
    _, after = make_split(NAMES, one_kind(NAMES), 0.25, 0)
    assert len(set(before) - set(after)) <= 3


@pytest.mark.parametrize('seed', range(20))
def test_rare_classes_are_in_train_and_in_val(seed):
    kinds = one_kind(NAMES)
    for number in range(8):
        kinds[NAMES[number]].add(f'rare {number // 2}')
    kinds[NAMES[20]].add('once')
    train, val = make_split(NAMES, kinds, 0.2, seed)
    in_train = set().union(*(kinds[name] for name in train))
    in_val = set().union(*(kinds[name] for name in val))
    assert in_train == {'a', 'once', *(f'rare {n}' for n in range(4))}
    assert in_val == in_train - {'once'}


@pytest.mark.parametrize('seed', range(20))
def test_classes_of_two_images_are_in_train_where_val_has_no_room(seed):
    kinds = {name: {f'pair {n // 2}'} for n, name in enumerate(NAMES)}
    train, val = make_split(NAMES, kinds, 0.1, seed)
    assert len(val) == 5
    assert set().union(*(kinds[name] for name in train)) == {
        f'pair {number}' for number in range(25)
    }


def test_two_images_of_one_class_each():
    names = NAMES[:2]
    train, val = make_split(names, {n: {n} for n in names}, 0.2, 0)
    assert len(train) == len(val) == 1


@pytest.mark.parametrize(
    'name, split',
    [
        ('train', 'train'),
        ('Training', 'train'),
        ('train2017', 'train'),
        ('train_images', 'train'),
        ('valid', 'val'),
        ('val-labels', 'val'),
        ('validation', 'val'),
        ('testing', 'test'),
        ('instances_val2017', 'val'),
        ('train_station', ''),
        ('trainval', ''),
        ('trains', ''),
        ('contest', ''),
        ('train_test', ''),
        ('images', ''),
    ],
)
def test_words_for_splits(name, split):
    assert split_word(name) == split


def test_folders_count_before_the_name_of_the_file():
    assert split_of('a/train/images/val.jpg') == 'train'
    assert split_of('a/val.json') == ''
    assert split_of('a/val.json', with_file=True) == 'val'
