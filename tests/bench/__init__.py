"""The benchmarks: the product beside its peers, in one run on one machine. What counts is the ratio."""
