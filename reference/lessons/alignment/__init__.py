"""Log-probs and alignment: which logits score which token."""

NOTEBOOK = "01_logprobs_and_alignment"
