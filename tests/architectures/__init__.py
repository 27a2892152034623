"""Every method on every config family, as `tools/make_config.py` pairs them.

``python -m tests.architectures --markdown docs/architectures.md`` tries them
and writes the table of that page.
"""
