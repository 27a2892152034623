"""The quickstart: two students, one teacher, one table, one picture."""

from cankd_mm.quickstart.run import Options, quickstart

__all__ = ['Options', 'quickstart']
