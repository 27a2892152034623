"""Checkpoints: read as data, reported on, and written whole or not at all."""
