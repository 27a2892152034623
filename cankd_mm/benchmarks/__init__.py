"""What ``tools/benchmark.py`` measures: one file per sub-command."""
