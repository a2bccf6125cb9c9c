"""Aggregation: what a token weighs when a batch is split."""

NOTEBOOK = "06_aggregation"
