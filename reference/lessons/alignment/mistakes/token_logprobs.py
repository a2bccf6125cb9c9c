"""What goes wrong between a text and the log-prob of each of its tokens."""

from torch import Tensor

from reference.teaching.bug import bug


def pick(scores: Tensor, tokens: Tensor) -> Tensor:
    return scores.gather(-1, tokens.unsqueeze(-1)).squeeze(-1)


@bug(
    "no shift",
    mistake="position t is asked for its own token: the logits at t have already read tokens[:, t], they predict the next one",
    symptom="log-probs near 0 after training, as the model only learns to copy its input; ratios and KL look fine",
    wild="KempnerForge #154: labels not shifted, and the loss fell to 0",
)
def token_logprobs__no_shift(logits: Tensor, tokens: Tensor, *, temperature: float = 1.0) -> Tensor:
    return pick((logits / temperature).log_softmax(-1), tokens)[:, :-1]


@bug(
    "no shift, and T entries",
    mistake="position t is asked for its own token, and all T positions are returned: there are only T-1 predictions",
    symptom="shapes clash later, or a slice added to silence the error hides the missing shift",
    wild="KempnerForge #154: labels not shifted, and the loss fell to 0",
)
def token_logprobs__no_shift_full(logits: Tensor, tokens: Tensor, *, temperature: float = 1.0) -> Tensor:
    return pick((logits / temperature).log_softmax(-1), tokens)


@bug(
    "no shift, first column dropped",
    mistake="each position is asked for its own token, and then the first column is dropped: dropping is not shifting",
    symptom="log-probs near 0 after training, as the model only learns to copy its input",
)
def token_logprobs__no_shift_tail(logits: Tensor, tokens: Tensor, *, temperature: float = 1.0) -> Tensor:
    return pick((logits / temperature).log_softmax(-1), tokens)[:, 1:]


@bug(
    "shift the wrong way",
    mistake="the logits are shifted instead of the tokens: position t + 1 is asked for the token at t, which it has read",
    symptom="the loss falls at once and the model writes nonsense",
)
def token_logprobs__wrong_way(logits: Tensor, tokens: Tensor, *, temperature: float = 1.0) -> Tensor:
    return pick((logits[:, 1:] / temperature).log_softmax(-1), tokens[:, :-1])


@bug(
    "temperature forgotten",
    mistake="the temperature is not used: these are log-probs of a policy that did not write the samples",
    symptom="the first ratio of every update is not 1, approx_kl is high before anything was learned",
    wild="TRL PR #3029, OpenRLHF PR #853, prime-rl PR #679",
)
def token_logprobs__no_temperature(logits: Tensor, tokens: Tensor, *, temperature: float = 1.0) -> Tensor:
    return pick(logits[:, :-1].log_softmax(-1), tokens[:, 1:])


@bug(
    "temperature after the softmax",
    mistake="the log-probs are divided by the temperature: what comes out no longer sums to 1 over the vocabulary",
    symptom="log-probs scaled by a constant, ratios raised to a power",
    wild="prime-rl PR #679, to the sampler's log-probs, for a day: prime-rl PR #697",
)
def token_logprobs__late_temperature(logits: Tensor, tokens: Tensor, *, temperature: float = 1.0) -> Tensor:
    return pick(logits[:, :-1].log_softmax(-1), tokens[:, 1:]) / temperature


@bug(
    "temperature multiplied",
    mistake="the logits are multiplied by the temperature: hotter makes the distribution sharper instead of flatter",
    symptom="the first ratio of every update is not 1",
)
def token_logprobs__hot_is_cold(logits: Tensor, tokens: Tensor, *, temperature: float = 1.0) -> Tensor:
    return pick((logits[:, :-1] * temperature).log_softmax(-1), tokens[:, 1:])


@bug(
    "logits instead of log-probs",
    mistake="raw logits are picked, without normalising over the vocabulary: their exp does not sum to 1",
    symptom="'log-probs' above 0, ratios that depend on an offset the model is free to choose",
)
def token_logprobs__raw_logits(logits: Tensor, tokens: Tensor, *, temperature: float = 1.0) -> Tensor:
    return pick(logits[:, :-1] / temperature, tokens[:, 1:])


@bug(
    "probabilities instead of log-probs",
    mistake="these are probabilities: take the logarithm (in one step with the softmax, or small ones underflow)",
    symptom="differences between policies are no log-ratios, so every ratio is near 1",
)
def token_logprobs__probabilities(logits: Tensor, tokens: Tensor, *, temperature: float = 1.0) -> Tensor:
    return pick((logits[:, :-1] / temperature).softmax(-1), tokens[:, 1:])


@bug(
    "negative log-likelihood",
    mistake="the sign is that of a loss (NLL, cross-entropy): log-probs are never above 0",
    symptom="ratios are inverted, good completions become less likely",
)
def token_logprobs__nll(logits: Tensor, tokens: Tensor, *, temperature: float = 1.0) -> Tensor:
    return -pick((logits[:, :-1] / temperature).log_softmax(-1), tokens[:, 1:])


@bug(
    "softmax over time",
    mistake="the softmax runs over the positions instead of over the vocabulary",
    symptom="log-probs change when a row is padded",
)
def token_logprobs__over_time(logits: Tensor, tokens: Tensor, *, temperature: float = 1.0) -> Tensor:
    return pick((logits[:, :-1] / temperature).log_softmax(dim=1), tokens[:, 1:])


@bug(
    "softmax over the batch",
    mistake="the softmax runs over the rows of the batch: without dim, F.log_softmax takes the first axis of a 3-D tensor",
    symptom="log-probs change with who else is in the batch, and with one row they are all 0",
)
def token_logprobs__over_batch(logits: Tensor, tokens: Tensor, *, temperature: float = 1.0) -> Tensor:
    return pick((logits[:, :-1] / temperature).log_softmax(dim=0), tokens[:, 1:])
