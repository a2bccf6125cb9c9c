"""GRPO's advantages: a completion compared with those of its prompt."""

NOTEBOOK = "05_grpo_advantages"
