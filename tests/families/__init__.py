"""Every config family of the libraries, tried under a frozen teacher.

``python -m tests.families --markdown docs/families.md`` tries them and writes
the table of that page.
"""
