from cankd_mm.quickstart.evaluation import Evaluation
from cankd_mm.quickstart.table import table


def evaluation(score):
    return Evaluation(
        mAP=score,
        AP50=score + 10,
        parameters=1234567,
        ms_per_image=8.25,
        predictions=[],
    )


def test_states_every_figure_and_the_gain():
    text = table(
        dict(
            teacher=evaluation(82.25),
            baseline=evaluation(60.5),
            distilled=evaluation(57.25),
        )
    )
    lines = text.splitlines()
    assert lines[2].split() == ['teacher', '82.2', '92.2', '1,234,567', '8.2']
    assert lines[3].split()[2:4] == ['60.5', '70.5']
    assert '-3.2 mAP' in lines[-1]
