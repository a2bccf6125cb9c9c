"""Evaluation: what a score depends on beside the model, and how sure one can be of it."""

NOTEBOOK = "10_evaluation"
