"""Tests that run side by side take one core each: with threads for all cores they would mostly wait for one another."""

import os

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
