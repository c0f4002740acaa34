"""Benchmarks against baselines: `make bench`. Not part of `make test`; nothing here fails for being slow."""
