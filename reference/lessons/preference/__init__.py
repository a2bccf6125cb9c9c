"""DPO and its beta."""

NOTEBOOK = "08_dpo_and_beta"
