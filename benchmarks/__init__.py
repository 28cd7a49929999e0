"""One file per claim of the README, run by hand: ``python -m benchmarks NAME --json``."""
