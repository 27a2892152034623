import pytest

from cankd_mm.datasets import DigitsSpec, make_digits


@pytest.fixture(scope='session')
def small_spec():
    return DigitsSpec(num_train=12, num_val=6)


@pytest.fixture(scope='session')
def digits_root(tmp_path_factory):
    return tmp_path_factory.mktemp('digits')


@pytest.fixture(scope='session')
def digits(digits_root, small_spec):
    return make_digits(digits_root, small_spec)
