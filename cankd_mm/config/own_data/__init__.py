"""A config of any recipe, on data of one's own.

Three names at the top of a config, or on a command line, are enough::

    data_root = 'photos/'
    classes = ('cat', 'dog')
    image_scale = (640, 480)

MMEngine evaluates a base before its child, so that these lines by themselves
would change nothing: data sets, evaluators and heads have their values then.
:func:`apply_dataset_overrides` brings them there. It runs whenever a config
file is read, and when a runner is made, in this package's tools and in every
program that has imported the package.
"""

from cankd_mm.config.own_data.overrides import apply_dataset_overrides

__all__ = ['apply_dataset_overrides']
