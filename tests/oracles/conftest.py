from helpers.evidence import one_thread  # noqa: F401  a fixture
