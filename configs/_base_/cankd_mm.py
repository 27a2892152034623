# What a distillation needs beside a recipe of another package.
_base_ = ['./imports.py', './distillation_hooks.py']
