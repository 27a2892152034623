"""Pairs a teacher with a student: features, matches, config, weight."""
