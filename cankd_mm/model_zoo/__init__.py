"""What the zoo's READMEs say of its configs, made from files that know it."""

from cankd_mm.model_zoo.readme import renew

__all__ = ['renew']
