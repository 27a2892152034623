"""The labels of COCO-Stuff: 80 things and 91 stuff classes of 182 ids.

COCO numbers 91 things and annotates 80 of them; stuff has the ids 92 to 182.
mmseg's configs number the 171 that occur without gaps, each release its own
way:

==========  ==============================  ==============================
release     ids in its files                train ids
==========  ==============================  ==============================
10k (v1.1)  0 unlabeled, 1 to 182           0 unlabeled, 1 to 171 (configs
                                            set ``reduce_zero_label``)
164k        0 to 181, 255 unlabeled         0 to 170, 255 unlabeled
==========  ==============================  ==============================

Source: the data set's documentation,
https://github.com/nightrome/cocostuff#labels.
"""

import numpy as np

#: Things that COCO never annotates: street sign, hat, shoe, eye glasses,
#: plate, mirror, window, desk, door, blender, hair brush.
ABSENT = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91)
IDS = tuple(number for number in range(1, 183) if number not in ABSENT)


def train_ids_10k() -> np.ndarray:
    """Train id of each id; -1 for ids that do not occur."""
    table = np.full(256, -1)
    table[0] = 0
    table[list(IDS)] = np.arange(1, len(IDS) + 1)
    return table


def train_ids_164k() -> np.ndarray:
    """Train id of each id; -1 for ids that do not occur."""
    table = np.full(256, -1)
    table[255] = 255
    table[[number - 1 for number in IDS]] = np.arange(len(IDS))
    return table
