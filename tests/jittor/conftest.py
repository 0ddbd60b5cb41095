"""Jittor needs an environment of its own (numpy 1.26): `make test-jittor`.  Elsewhere nothing here is collected."""

import os
from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("jittor_utils") else ["test_*.py"]  # find_spec("jittor") finds this very folder

os.environ.setdefault("use_mkl", "0")
os.environ.setdefault("nvcc_path", "")
