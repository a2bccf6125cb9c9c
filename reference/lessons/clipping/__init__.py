"""Clipping: where a token keeps its gradient."""

NOTEBOOK = "04_clipping"
