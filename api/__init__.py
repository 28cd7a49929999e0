"""HTTP, configuration, wiring, records and pages. May import every other package; nothing imports it."""

import os

# The matrix products of a tick are far too small to be shared between threads, which would only keep each other waiting.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
