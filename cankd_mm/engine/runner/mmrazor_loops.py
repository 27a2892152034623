"""Mends MMRazor's validation loop when loops are first looked up.

Not when this package is imported, since MMRazor's loops import all of the
task libraries.
"""

from cankd_mm.compat import distill_val_loop, note_applied

if distill_val_loop.needed():
    distill_val_loop.apply()
    note_applied(distill_val_loop)
