"""Hooks and optimizer constructors of the libraries, tried under a teacher.

``python -m tests.tried`` prints the table of docs/compatibility.md.
"""
