"""Optimizers of distilled students."""
