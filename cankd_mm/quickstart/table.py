"""The table at the end of the quickstart."""

from cankd_mm.quickstart.evaluation import Evaluation


def table(results: dict[str, Evaluation]) -> str:
    """Lays the figures of each model out in one line.

    Args:
        results: Teacher, baseline and distilled student.
    """
    titles = dict(
        teacher='teacher',
        baseline='student alone',
        distilled='student with CanKD',
    )
    lines = [
        f'{"":20s}{"mAP":>6s}{"AP50":>8s}{"parameters":>13s}{"ms/image":>11s}'
    ]
    lines.append('-' * len(lines[0]))
    for name, title in titles.items():
        result = results[name]
        lines.append(
            f'{title:20s}{result.mAP:6.1f}{result.AP50:8.1f}'
            f'{result.parameters:13,d}{result.ms_per_image:11.1f}'
        )
    gain = results['distilled'].mAP - results['baseline'].mAP
    lines += ['', f'CanKD: {gain:+.1f} mAP for the same student.']
    return '\n'.join(lines)
