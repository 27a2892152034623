"""Knowledge distillation for MMDetection and MMSegmentation.

``custom_imports = dict(imports=['cankd_mm'])`` is all a config needs: the
import makes MMRazor work with the installed torch and mmcv, and registers
every component of this package.
"""

from cankd_mm.registration import register_all_modules
from cankd_mm.version import __version__

__all__ = ['__version__', 'register_all_modules']

register_all_modules()
