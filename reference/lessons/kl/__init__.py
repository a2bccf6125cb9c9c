"""Three things called KL."""

NOTEBOOK = "02_three_things_called_kl"
