"""Finds in a config what spoils a training run without a word."""

from cankd_mm.config_checks.checks import CHECKS, check_config
from cankd_mm.config_checks.finding import Finding, Severity

__all__ = ['CHECKS', 'Finding', 'Severity', 'check_config']
