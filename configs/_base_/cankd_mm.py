# Registers this package's components; every config needs it once.
custom_imports = dict(imports=['cankd_mm'], allow_failed_imports=False)
