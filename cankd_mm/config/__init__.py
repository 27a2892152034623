"""Reads and rewrites configs."""
