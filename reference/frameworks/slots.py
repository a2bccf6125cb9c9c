"""The choices in which post-training codebases differ: the order and the words of the tables about them."""

SLOTS = {
    "advantage": "What is the advantage, with which baseline, divided by which standard deviation (ddof, eps)?",
    "dead groups": "What happens to groups that all earn the same, and to groups of one?",
    "kl": "Which estimator of the KL, in the reward or in the loss, with which coefficient and which gradient?",
    "reference": "Is there a reference model, and which weights does it have?",
    "clip": "Between which bounds is the ratio clipped, and is there a third bound for negative advantages?",
    "ratio": "Is the ratio one of tokens or of sequences, and which loss is it in?",
    "aggregation": "What are token losses divided by: within a micro-batch, over accumulation, over processes?",
    "entropy": "Is entropy in the loss, and with which sign?",
    "value": "What does the value head fit, with which loss, clip and coefficient; gamma and lambda?",
    "truncated": "What happens to completions that were cut at the budget?",
    "sampling": "How is sampled: temperature, top-p, top-k, completions per prompt, budget?",
    "steps": "How many updates does one batch of samples see?",
    "correction": "What corrects for a sampler that computes other log-probs than the trainer?",
    "optimizer": "Learning rate, clipping of the gradient, precision?",
    "masks": "Which tokens are trained on: prompts, tool output, every turn?",
    "preference": "Which loss on pairs, with which beta, summed or averaged log-probs, with which further term?",
}

# What a setting can mean beyond the columns of a recipe (``reference.algorithms.columns.Recipe``).
FURTHER_COLUMNS = {
    "ddof": "of the std that an advantage is divided by: 1 divides by N - 1, 0 by N",
    "eps": "added to the std that an advantage is divided by",
    "ratio": "token or sequence",
    "old_ratio_on_kl": "whether the KL in the loss is multiplied by the ratio of the policy to the one that sampled",
    "processes": "whether the count that losses are divided by is one of all processes",
    "correction": "how a sampler with other log-probs is corrected for: none, token, sequence or geometric, then truncate or mask",
    "correction_high": "the upper bound of that weight",
    "correction_low": "the lower bound of that weight",
    "sums_over_tokens": "whether the losses of a completion's tokens are added up, and divided by no length",
    "average_logprobs": "whether a loss on pairs takes means over tokens and not sums",
    "cap": "the cap of a CISPO weight, itself and not what it is above 1",
    "reference_model": "whether there is one",
    "prompt_loss": "whether prompts are trained on",
    "tool_loss": "whether what tools wrote is trained on",
}
