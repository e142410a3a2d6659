"""The benchmarks of tools/bench.py, one file each."""
