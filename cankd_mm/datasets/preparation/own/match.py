"""Which image a label belongs to, by names and folders.

No layout is built in. An image and its label have one stem; where several
images have it, the one counts whose folders are most like those of the label:
`labels/train/a.txt` belongs to `images/train/a.jpg`, not to
`images/val/a.jpg`.
"""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from cankd_mm.datasets.preparation.own.faults import Faults, Kind
from cankd_mm.datasets.preparation.own.scan import IMAGE_SUFFIXES
from cankd_mm.datasets.preparation.own.split_words import split_of

NO_IMAGE = Kind(
    'label file',
    'without an image',
    'add the image, with the name of the label file, or remove the label',
    left_out=True,
)
SECOND_LABEL = Kind(
    'label file',
    'of an image that has another label file, which is used',
    'remove one of the two',
    left_out=True,
)
SECOND_IMAGE = Kind(
    'image',
    'with the name of another image, which gets the label of both',
    'rename one of the two together with its label, or remove it',
    left_out=True,
)


def folded(name: str) -> str:
    """Return a name for comparison: case and accents as one code or two."""
    return unicodedata.normalize('NFC', name).casefold()


@dataclass(frozen=True)
class Label:
    """A label file.

    Attributes:
        name: The file, relative to the data.
        image: Name of its image as the label file has it; '' for none.
        stem: The stem of its image; '' for that of the file.
    """

    name: str
    image: str = ''
    stem: str = ''


class ImageIndex:
    """Images, to be found by the names in label files and lists.

    Args:
        names: The images, relative to the data.
        stems: What counts as their stem, where it is not that of the file.
    """

    def __init__(
        self, names: Iterable[str], stems: Mapping[str, str] | None = None
    ) -> None:
        stems = stems or {}
        self._by_name = defaultdict(list)
        self._by_stem = defaultdict(list)
        for name in names:
            path = PurePosixPath(name)
            self._by_name[folded(path.name)].append(name)
            stem = stems.get(name, path.stem)
            self._by_stem[folded(stem)].append(name)

    def find(self, wanted: str, near: str = '', split: str = '') -> list[str]:
        """Find an image.

        Args:
            wanted: Its name as somebody wrote it: with or without folders,
                which may be those of another computer, and suffix.
            near: The file that names it.
            split: The split that it is named for.

        Returns:
            The images that fit best: one, none, or several that fit alike.
        """
        wanted = PurePosixPath(wanted.replace('\\', '/'))
        name, stem = folded(wanted.name), folded(wanted.stem)
        found = self._by_name.get(name) or self._by_stem.get(name, [])
        if not found and wanted.suffix.lower() in IMAGE_SUFFIXES:
            found = self._by_stem.get(stem, [])
        if split:
            found = [n for n in found if split_of(n) in ('', split)]
        if len(found) < 2:
            return list(found)
        scores = {name: _likeness(name, wanted, near) for name in found}
        best = max(scores.values())
        return [name for name in found if scores[name] == best]


def match_labels(
    labels: Iterable[Label], index: ImageIndex, faults: Faults
) -> tuple[dict[str, str], set[str]]:
    """Find the image of each label file.

    Args:
        labels: The label files. A file's own stem counts, then the name of
            the image that it has.
        index: The images.
        faults: Where labels and images that are not used are added.

    Returns:
        The label file of each image that has one, and the images that would
        have had it too, as another image of the same name.
    """
    claims, doubles = defaultdict(list), set()
    for label in labels:
        stem = label.stem or PurePosixPath(label.name).stem
        split = split_of(label.name)
        found = index.find(stem, label.name, split)
        if label.image:
            named = index.find(label.image, label.name, split)
            if not found or len(found) > 1 and set(named) <= set(found):
                found = named or found
        if not found:
            faults.add(NO_IMAGE, label.name)
            continue
        image, *others = sorted(found)
        faults.extend(
            SECOND_IMAGE,
            (f'{n} (of {image})' for n in others if n not in doubles),
        )
        doubles.update(others)
        claims[image].append(label.name)
    matched = {}
    for image, names in claims.items():
        stem = PurePosixPath(PurePosixPath(image).stem)
        best = max(names, key=lambda name: _likeness(image, stem, name))
        matched[image] = best
        faults.extend(SECOND_LABEL, (n for n in names if n != best))
    return matched, doubles - set(matched)


def _likeness(image: str, wanted: PurePosixPath, near: str) -> tuple:
    """Return how well an image fits; more is better."""
    folders = [folded(part) for part in PurePosixPath(image).parts[:-1]]
    asked = [folded(part) for part in wanted.parts[:-1]]
    around = [folded(part) for part in PurePosixPath(near).parts[:-1]]
    tail = 0
    while tail < min(len(folders), len(asked)):
        if folders[-1 - tail] != asked[-1 - tail]:
            break
        tail += 1
    common = sum((Counter(folders) & Counter(around)).values())
    path = PurePosixPath(image)
    same_case = wanted.name in (path.name, path.stem)
    return tail, common, common - len(folders), same_case
