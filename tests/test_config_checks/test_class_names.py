"""The classes of a data set are a sequence of names."""

import pytest

BASE = 'configs/digits/baseline_retinanet.py'
KEY = 'train_dataloader.dataset.metainfo.classes'


def metainfo(classes: str) -> str:
    return (
        'train_dataloader = dict(dataset=dict('
        f'metainfo=dict(classes={classes})))'
    )


def about_names(findings) -> list[str]:
    return [f for f in findings if f.startswith(f'error    {KEY}')]


def test_text_in_place_of_one_name(lint):
    code, findings = lint(metainfo("('one')"), base=BASE)
    (finding,) = about_names(findings)
    assert code == 1
    assert "'one', text: each of its letters is a class" in finding
    assert "classes=('one',)" in finding


@pytest.mark.parametrize('classes', ["[['a'], ['b']]", '10', '(1, 2)'])
def test_something_else(classes, lint):
    (finding,) = about_names(lint(metainfo(classes), base=BASE)[1])
    assert 'expected a sequence of names' in finding


@pytest.mark.parametrize('classes', ["'names.txt'", 'tuple("abcdefghij")'])
def test_file_or_names(classes, lint):
    assert not about_names(lint(metainfo(classes), base=BASE)[1])


def test_text_at_the_top(lint, check_config, tmp_path, capsys):
    file = tmp_path / 'own.py'
    file.write_text(
        "_base_ = 'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py'\n"
        "classes = ('one')\n"
    )
    assert check_config([str(file)]) == 2
    assert "classes='one' is text" in capsys.readouterr().out
