# Registers this package's components, and lets the names at the top of a config
# (`data_root`, `classes`) count in every program that reads it.
custom_imports = dict(imports=['cankd_mm'], allow_failed_imports=False)
