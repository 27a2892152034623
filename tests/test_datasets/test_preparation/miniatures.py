"""A few tiny images in the official layouts, labels and file formats."""

import json
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat
from scipy.sparse import csc_matrix

from tests.tiny_data import write_coco

#: COCO-Stuff's things that no image has, from its documentation.
ABSENT = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91}
STUFF_10K = [n for n in range(183) if n not in ABSENT]
STUFF_164K = [n - 1 for n in STUFF_10K if n] + [255]
CITYSCAPES = list(range(34))
VOC = [*range(21), 255]

XML = """<annotation>
	<folder>{year}</folder>
	<filename>{name}.jpg</filename>
	<size><width>64</width><height>64</height><depth>3</depth></size>
	<segmented>0</segmented>
	<object>
		<name>{kind}</name>
		<pose>Left</pose>
		<truncated>0</truncated>
		<difficult>0</difficult>
		<bndbox><xmin>9</xmin><ymin>5</ymin><xmax>60</xmax><ymax>50</ymax>
		</bndbox>
		<part>
			<name>head</name>
			<bndbox><xmin>9</xmin><ymin>5</ymin><xmax>20</xmax><ymax>20</ymax>
			</bndbox>
		</part>
	</object>
</annotation>
"""


def labels(ids: list[int], seed: int = 0, size: int = 16) -> np.ndarray:
    """A label map with every one of the ids."""
    pixels = np.resize(np.array(ids, np.uint8), size * size)
    return np.random.default_rng(seed).permutation(pixels).reshape(size, size)


def _save(pixels: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def _photo(path: Path, size: int = 16) -> None:
    _save(np.full((size, size, 3), 99, np.uint8), path)


def _lines(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(''.join(f'{line}\n' for line in lines))


def coco(root: Path) -> Path:
    return write_coco(root)


def _voc_year(folder: Path, names: dict[str, str], **splits) -> None:
    for name, kind in names.items():
        _photo(folder / f'JPEGImages/{name}.jpg', 64)
        xml = XML.format(year=folder.name, name=name, kind=kind)
        _lines(folder / f'Annotations/{name}.xml', xml)
    for split, members in splits.items():
        _lines(folder / f'ImageSets/Main/{split}.txt', *members)


def voc(root: Path) -> Path:
    old = {'000005': 'chair', '000007': 'car', '000001': 'dog'}
    _voc_year(
        root / 'VOC2007', old, trainval=['000005', '000007'], test=['000001']
    )
    new = {'2008_000002': 'tvmonitor', '2008_000003': 'train'}
    _voc_year(root / 'VOC2012', new, trainval=list(new))
    # What an image without the class has in the lists of one class.
    _lines(root / 'VOC2007/ImageSets/Main/car_test.txt', '000001 -1')
    return root


def voc_layout(root: Path) -> Path:
    """A folder of a user's own."""
    names = {'a': 'RBC', 'b': 'WBC', 'c': 'RBC'}
    _voc_year(root, names, train=['a', 'b'], val=['c'], trainval=list('abc'))
    return root


def voc_aug(root: Path) -> Path:
    """VOC2012 with SBD beside it, where its archive is extracted."""
    for number, name in enumerate('abcde'):
        _photo(root / f'JPEGImages/{name}.jpg')
        if name in 'ab':
            mask = Image.fromarray(labels(VOC, number), mode='P')
            mask.putpalette([0, 0, 0, 128, 0, 0])
            path = root / f'SegmentationClass/{name}.png'
            path.parent.mkdir(exist_ok=True)
            mask.save(path)
    _lines(root / 'ImageSets/Segmentation/train.txt', 'a')
    _lines(root / 'ImageSets/Segmentation/val.txt', 'b')
    # SBD's validation images are among VOC's training images, and the reverse.
    sbd = root.parent / 'benchmark_RELEASE/dataset'
    _lines(sbd / 'train.txt', 'b', 'd', 'c')
    _lines(sbd / 'val.txt', 'a', 'e')
    (sbd / 'cls').mkdir()
    for number, name in enumerate('abcde'):
        boundaries = np.empty((20, 1), object)
        boundaries[:, 0] = [csc_matrix((16, 16))] * 20
        content = dict(
            Boundaries=boundaries,
            Segmentation=labels(VOC[:21], number),
            CategoriesPresent=np.arange(1, 21, dtype=np.uint8)[:, None],
        )
        savemat(sbd / f'cls/{name}.mat', dict(GTcls=content))
    return root


def cocostuff10k(root: Path) -> Path:
    names = [f'COCO_train2014_{n:012d}' for n in (77, 349, 872)]
    (root / 'annotations').mkdir(parents=True)
    for number, name in enumerate(names):
        _photo(root / f'images/{name}.jpg')
        content = dict(
            S=labels(STUFF_10K, number),
            names=np.array(['unlabeled', 'person'], object)[:, None],
            captions=np.array(['A street.'], object)[:, None],
            regionMapStuff=np.ones((16, 16), np.uint16),
            regionLabelsStuff=np.array([[92]], np.uint8),
        )
        savemat(root / f'annotations/{name}.mat', content)
    _lines(root / 'imageLists/train.txt', *names[:2])
    _lines(root / 'imageLists/test.txt', names[2])
    _lines(root / 'imageLists/all.txt', *names)
    return root


def cocostuff164k(root: Path) -> Path:
    for split, numbers in (('train2017', (9, 25)), ('val2017', (139,))):
        for number in numbers:
            name = f'{split}/{number:012d}'
            _photo(root / f'images/{name}.jpg')
            pixels = labels(STUFF_164K, number)
            _save(pixels, root / f'annotations/{name}.png')
    return root


def cityscapes(root: Path) -> Path:
    for split, towns in (('train', ('aachen', 'bochum')), ('val', ('ulm',))):
        for number, town in enumerate(towns):
            stem = f'{split}/{town}/{town}_000000_000019'
            _save(
                np.full((16, 16, 3), 99, np.uint8),
                root / f'leftImg8bit/{stem}_leftImg8bit.png',
            )
            label = root / f'gtFine/{stem}_gtFine'
            pixels = labels(CITYSCAPES, number)
            _save(pixels, Path(f'{label}_labelIds.png'))
            _save(pixels, Path(f'{label}_instanceIds.png'))
            polygons = dict(imgHeight=16, imgWidth=16, objects=[])
            _lines(Path(f'{label}_polygons.json'), json.dumps(polygons))
    return root


MINIATURES = dict(
    coco=coco,
    voc=voc,
    voc_aug=voc_aug,
    cocostuff10k=cocostuff10k,
    cocostuff164k=cocostuff164k,
    cityscapes=cityscapes,
)


def make(name: str, parent: Path) -> Path:
    """Makes a miniature where the configs would look below ``parent``."""
    from cankd_mm.datasets.preparation import DATA_SETS

    return MINIATURES[name](parent / DATA_SETS[name].data_root)


def snapshot(folder: Path) -> dict[Path, tuple[bytes, int]]:
    """Contents and times of all files."""
    return {
        path: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob('*')
        if path.is_file()
    }
