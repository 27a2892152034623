"""Print the table of docs/compatibility.md."""

import sys

import cankd_mm  # noqa: F401  (compatibility before MMRazor)

# isort: split
from tests.tried import table

print(table.text(lambda row: print(row, file=sys.stderr, flush=True)))
