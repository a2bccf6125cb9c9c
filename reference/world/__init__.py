"""The small world we train in: tokenizer, chat template, task with verifier, model and its shipped checkpoint."""
