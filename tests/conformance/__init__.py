"""Conformance suites of others, run against a copy of our own. Their checkouts are never part of this repository."""
