"""`Config.fromstring` parses, for every caller in the process."""

import tempfile

import pytest
from mmengine.config import Config, config

from cankd_mm.checkpoint.config_text import ConfigTextError
from cankd_mm.compat import checkpoint_config


def test_fromstring_parses():
    found = Config.fromstring('a = dict(b=1)', '.py')
    assert isinstance(found, Config)
    assert found.a.b == 1
    assert found.text == 'a = dict(b=1)'


def test_fromstring_executes_nothing(tmp_path):
    with pytest.raises(ConfigTextError, match='config text, line 1'):
        Config.fromstring(f'open({str(tmp_path / "a")!r}, "w")', '.py')
    assert not (tmp_path / 'a').exists()


def test_messages_name_the_file_that_is_read():
    with (
        checkpoint_config.config_text_of("a.pth: meta['cfg']"),
        pytest.raises(ConfigTextError, match=r"a.pth: meta\['cfg'\], line 1"),
    ):
        Config.fromstring('import os', '.py')
    with pytest.raises(ConfigTextError, match='^config text, line 1'):
        Config.fromstring('import os', '.py')


def test_fromfile_still_executes(tmp_path):
    (tmp_path / 'a.py').write_text('a = 1 + 1')
    assert Config.fromfile(tmp_path / 'a.py').a == 2


def executed(cfg_str: str, file_format: str) -> Config:
    namespace = {}
    exec(cfg_str, namespace)
    return Config(dict(executed=namespace['executed']))


def written(cfg_str: str, file_format: str) -> Config:
    with config.tempfile.NamedTemporaryFile() as file:
        file.write(cfg_str.encode())
    raise AssertionError('a probe writes no file')


@pytest.mark.parametrize('fromstring', [executed, written])
def test_needed_where_text_is_executed(fromstring, monkeypatch):
    monkeypatch.setattr(Config, 'fromstring', staticmethod(fromstring))
    assert checkpoint_config.needed()
    assert config.tempfile is tempfile


def test_not_needed_where_text_is_parsed():
    assert not checkpoint_config.needed()
