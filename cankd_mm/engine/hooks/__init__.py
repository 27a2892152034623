"""Hooks that watch over a training run."""
