"""The debug lab: a training run that is broken, and what its batch and its scalars say about it."""

NOTEBOOK = "12_debug_lab"
