"""Measures what it costs to look at training data while they are loaded.

    python -m tests.bm_data_inspection [--images 100000] [--repeats 3]

Makes a COCO-style file (seven boxes an image) in a temporary folder and loads
it plainly and observed, interleaved; prints the medians of the CPU time
and the difference.
"""

import argparse
import contextlib
import io
import json
import random
import statistics
import tempfile
import time
from pathlib import Path

from mmdet.datasets import CocoDataset

from cankd_mm.datasets.inspection import judge, observed_loading, record_of

CLASSES = CocoDataset.METAINFO['classes']


def write(path: Path, count: int) -> None:
    """Writes images with seven boxes each, on the average."""
    draw = random.Random(0)
    images, boxes = [], []
    for number in range(count):
        images.append(
            dict(
                id=number,
                file_name=f'{number:012d}.jpg',
                width=640,
                height=480,
            )
        )
        for _ in range(draw.randint(0, 14)):
            w, h = draw.randint(2, 200), draw.randint(2, 200)
            boxes.append(
                dict(
                    id=len(boxes),
                    image_id=number,
                    category_id=draw.randrange(len(CLASSES)),
                    bbox=[draw.randint(0, 400), draw.randint(0, 250), w, h],
                    area=w * h,
                    iscrowd=int(draw.random() < 0.01),
                )
            )
    categories = [dict(id=i, name=name) for i, name in enumerate(CLASSES)]
    content = dict(images=images, annotations=boxes, categories=categories)
    path.write_text(json.dumps(content))
    print(f'{path.stat().st_size / 2**20:.0f} MiB, {len(boxes):,} boxes')


def load(path: Path, classes: tuple, observed: bool) -> float:
    """Loads the file; returns the seconds of computing."""
    data = dict(
        ann_file=str(path),
        data_prefix=dict(img=''),
        metainfo=dict(classes=classes),
        filter_cfg=dict(filter_empty_gt=True, min_size=32),
    )
    context = contextlib.nullcontext()
    if observed:
        loader = dict(dataset=dict(data, type='CocoDataset', pipeline=[]))
        context = observed_loading(loader, 'train_dataloader', True)
    start = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()), context:
        dataset = CocoDataset(**data)
    if observed:
        verdict = judge([record_of(dataset)])
        assert verdict.report and not verdict.errors
    return time.process_time() - start


def main() -> None:
    """Prints a line for each set of classes."""
    parser = argparse.ArgumentParser()
    parser.add_argument('--images', type=int, default=100_000)
    parser.add_argument('--repeats', type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'instances.json'
        write(path, args.images)
        # One class leaves most boxes out, and a reason is found for each.
        for title, classes in (('80 classes', CLASSES), ('1', CLASSES[:1])):
            times = {False: [], True: []}
            for _ in range(args.repeats):
                for observed in times:
                    times[observed].append(load(path, classes, observed))
            plain, looked = map(statistics.median, times.values())
            print(
                f'{title}: {plain:.2f} s plain, {looked:.2f} s observed, '
                f'{looked - plain:+.2f} s'
            )


if __name__ == '__main__':
    main()
