"""Paints the report: curves, bars, and what the models see."""

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from PIL import Image

from cankd_mm.datasets.digits_annotations import CLASSES
from cankd_mm.quickstart.evaluation import Evaluation, Prediction
from cankd_mm.quickstart.progress import Curves

_TITLES = dict(
    teacher='Teacher', baseline='Student alone', distilled='Student + CanKD'
)
_COLOURS = dict(teacher='#7f8794', baseline='#4c78a8', distilled='#f58518')
_RIGHT, _WRONG, _MISSED = '#5fd35f', '#ff5a5a', '#ffd75e'
_MIN_SCORE = 0.4  # boxes below are not painted
_MIN_IOU = 0.5  # from here on a box is right, if its digit is


def save_report(
    path: Path,
    results: dict[str, Evaluation],
    curves: dict[str, Curves],
) -> None:
    """Writes the report as an image.

    Args:
        path: The file to write.
        results: Of 'teacher', 'baseline' and 'distilled'.
        curves: Of 'baseline' and 'distilled'.
    """
    columns = len(results['teacher'].predictions)
    figure = Figure(figsize=(12, 9.4), dpi=100, layout='constrained')
    canvas = FigureCanvasAgg(figure)
    top, bottom = figure.subfigures(2, 1, height_ratios=(1, 1.9))
    gain = results['distilled'].mAP - results['baseline'].mAP
    figure.suptitle(
        f'Same student, same schedule, {gain:+.1f} mAP with CanKD',
        size=15,
        weight='bold',
    )
    loss, accuracy, bars = top.subplots(1, 3, width_ratios=(1, 1, 0.8))
    _paint_losses(loss, curves)
    _paint_accuracies(accuracy, curves, results['teacher'])
    _paint_bars(bars, results)
    axes = bottom.subplots(
        1 + len(_TITLES),
        columns,
        squeeze=False,
        gridspec_kw=dict(wspace=0.02, hspace=0.02),
    )
    _paint_pictures(axes, results)
    bottom.legend(
        handles=[
            Line2D([], [], color=_RIGHT, label='right digit, IoU ≥ 0.5'),
            Line2D([], [], color=_WRONG, label='wrong'),
            Line2D([], [], color=_MISSED, ls=':', label='missed'),
        ],
        loc='outside lower center',
        ncols=3,
        frameon=False,
    )
    canvas.draw()
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert('RGB')
    # A palette makes the file a quarter of the size.
    image.quantize(256, Image.Quantize.FASTOCTREE).save(path, optimize=True)


def _paint_losses(axes, curves: dict[str, Curves]) -> None:
    for name, curve in curves.items():
        steps, values = np.transpose(curve.loss)
        # A mean over the last tenth of an epoch or so: batches differ.
        window = max(1, len(values) // 40)
        smooth = np.convolve(values, np.ones(window) / window, 'valid')
        axes.plot(
            steps[window - 1 :],
            smooth,
            color=_COLOURS[name],
            label=_TITLES[name],
        )
    axes.set_title('Task loss in training')
    axes.legend(frameon=False)
    _tidy(axes)


def _paint_accuracies(
    axes, curves: dict[str, Curves], teacher: Evaluation
) -> None:
    axes.axhline(
        teacher.mAP,
        color=_COLOURS['teacher'],
        ls='--',
        label=_TITLES['teacher'],
    )
    for name, curve in curves.items():
        axes.plot(
            *np.transpose(curve.mAP),
            color=_COLOURS[name],
            marker='o',
            label=_TITLES[name],
        )
    axes.set_ylim(0, 100)
    axes.set_title('Validation mAP')
    axes.legend(frameon=False, loc='lower right')
    _tidy(axes)


def _paint_bars(axes, results: dict[str, Evaluation]) -> None:
    for place, name in enumerate(_TITLES):
        result = results[name]
        axes.bar(place, result.mAP, width=0.66, color=_COLOURS[name])
        axes.annotate(
            f'{result.mAP:.1f}',
            (place, result.mAP),
            xytext=(0, 3),
            textcoords='offset points',
            ha='center',
            weight='bold',
        )
    axes.set_xticks(
        range(len(_TITLES)),
        [
            f'{title.replace(" ", chr(10), 1)}\n'
            f'{results[name].parameters / 1e6:.2f} M'
            for name, title in _TITLES.items()
        ],
    )
    axes.set_ylim(0, 100)
    axes.set_title('mAP and parameters')
    axes.spines[['top', 'right']].set_visible(False)


def _tidy(axes) -> None:
    axes.set_xlabel('iteration')
    axes.set_xlim(left=0)
    axes.grid(alpha=0.3)
    axes.spines[['top', 'right']].set_visible(False)


def _paint_pictures(axes, results: dict[str, Evaluation]) -> None:
    """One row per model, the ground truth above them."""
    for column, prediction in enumerate(results['teacher'].predictions):
        axes[0, column].imshow(prediction.image)
        for box, label in zip(
            prediction.true_boxes, prediction.true_labels, strict=True
        ):
            _paint_box(axes[0, column], box, 'white', CLASSES[label])
    for row, name in enumerate(_TITLES, 1):
        for column, prediction in enumerate(results[name].predictions):
            axes[row, column].imshow(prediction.image)
            _paint_prediction(axes[row, column], prediction)
    for row, title in enumerate(('Ground truth', *_TITLES.values())):
        axes[row, 0].set_ylabel(title.replace(' ', '\n', 1))
    for one in axes.flat:
        one.set_xticks([])
        one.set_yticks([])


def _paint_prediction(axes, prediction: Prediction) -> None:
    """Paints the surest box of each place; the metric sees all of them."""
    missed = set(range(len(prediction.true_boxes)))
    shown = []
    for index in np.argsort(-prediction.scores):
        if prediction.scores[index] < _MIN_SCORE:
            break
        box, label = prediction.boxes[index], prediction.labels[index]
        if any(_iou(box, other) >= _MIN_IOU for other in shown):
            continue
        shown.append(box)
        hits = [
            true
            for true in missed
            if prediction.true_labels[true] == label
            and _iou(prediction.true_boxes[true], box) >= _MIN_IOU
        ]
        missed.difference_update(hits[:1])
        _paint_box(axes, box, _RIGHT if hits else _WRONG, CLASSES[label])
    for true in missed:
        _paint_box(axes, prediction.true_boxes[true], _MISSED, '', ls=':')


def _paint_box(axes, box, colour: str, text: str, ls: str = '-') -> None:
    x1, y1, x2, y2 = box
    # Pixel centres are at whole numbers, box edges between them.
    axes.add_patch(
        Rectangle(
            (x1 - 0.5, y1 - 0.5),
            x2 - x1,
            y2 - y1,
            fill=False,
            ec=colour,
            ls=ls,
            lw=1.4,
        )
    )
    # Above the box, or inside where there is no room above.
    above = y1 > 9
    axes.text(
        x1 if above else x1 + 1,
        y1 - 1 if above else y1,
        text,
        color=colour,
        size=8,
        va='bottom' if above else 'top',
        weight='bold',
    )


def _iou(one, other) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (one, other)]
    return width * height / (sum(areas) - width * height)
