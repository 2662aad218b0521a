"""Training runs: the loop, the order of the data, precision, and what ends or mends a run."""
