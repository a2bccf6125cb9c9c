"""What goes wrong in implicit_reward."""

import torch
from torch import Tensor

from reference.teaching.bug import bug


@bug(
    "no reference",
    mistake="the reference is missing: common completions look good and rare ones bad, whatever they say",
    symptom="long completions have the lowest reward",
)
def implicit_reward__no_reference(logprobs: Tensor, ref_logprobs: Tensor, *, beta: float) -> Tensor:
    return beta * logprobs


@bug(
    "reference first",
    mistake="the difference is the wrong way round: what the policy made likelier has the lower reward",
    symptom="after training, the accuracy of this reward is one minus what it should be",
)
def implicit_reward__reference_first(logprobs: Tensor, ref_logprobs: Tensor, *, beta: float) -> Tensor:
    return beta * (ref_logprobs - logprobs)


@bug(
    "beta divides",
    mistake="the log-ratio is divided by beta",
    symptom="the ranking is right and the numbers are not: margins look huge at beta 0.1",
)
def implicit_reward__beta_divides(logprobs: Tensor, ref_logprobs: Tensor, *, beta: float) -> Tensor:
    return (logprobs - ref_logprobs) / beta


@bug(
    "beta forgotten",
    mistake="beta is missing: this is the log-ratio in nats",
    symptom="the ranking is right; compared with TRL's rewards/chosen it is off by the factor beta",
)
def implicit_reward__no_beta(logprobs: Tensor, ref_logprobs: Tensor, *, beta: float) -> Tensor:
    return logprobs - ref_logprobs


@bug(
    "beta on the policy alone",
    mistake="beta multiplies the policy's log-prob and not the reference's",
    symptom="the reward is large for whatever the reference finds unlikely, before any training",
)
def implicit_reward__beta_on_policy(logprobs: Tensor, ref_logprobs: Tensor, *, beta: float) -> Tensor:
    return beta * logprobs - ref_logprobs


@bug(
    "a ratio without its log",
    mistake="the ratio of the probabilities is taken, not its log",
    symptom="never below 0, and astronomically large where a completion became much likelier",
)
def implicit_reward__ratio(logprobs: Tensor, ref_logprobs: Tensor, *, beta: float) -> Tensor:
    return beta * (logprobs - ref_logprobs).exp()


@bug(
    "detached",
    mistake="the value is right, but no gradient flows: a loss of this reward would train nothing",
    symptom="the loss never changes",
    wild="on purpose in TRL, where rewards/chosen is only logged",
)
def implicit_reward__detached(logprobs: Tensor, ref_logprobs: Tensor, *, beta: float) -> Tensor:
    return beta * (logprobs.detach() - ref_logprobs)


@bug(
    "a probability",
    mistake="a sigmoid is put around the reward: that is a probability, and a reward has no bounds",
    symptom="the margin of two such rewards is never above 1, so no pair is ever won clearly",
)
def implicit_reward__sigmoid(logprobs: Tensor, ref_logprobs: Tensor, *, beta: float) -> Tensor:
    return torch.sigmoid(beta * (logprobs - ref_logprobs))


@bug(
    "the log of a probability",
    mistake="the logsigmoid of the reward is returned: that is half of a loss already, and never above 0",
    symptom="the accuracy and the margins that are logged are not those of the rewards",
)
def implicit_reward__logsigmoid(logprobs: Tensor, ref_logprobs: Tensor, *, beta: float) -> Tensor:
    return torch.nn.functional.logsigmoid(beta * (logprobs - ref_logprobs))


@bug(
    "log-probs divided",
    mistake="a log-prob is divided by a log-prob: it is the probabilities that are divided, before the log",
    symptom="the reward is near beta for every completion, whatever was learnt",
)
def implicit_reward__quotient(logprobs: Tensor, ref_logprobs: Tensor, *, beta: float) -> Tensor:
    return beta * logprobs / ref_logprobs


@bug(
    "beta on the reference alone",
    mistake="beta multiplies the reference's log-prob and not the policy's",
    symptom="the reward is that of an unscaled log-prob: long completions have very low ones",
)
def implicit_reward__beta_on_reference(logprobs: Tensor, ref_logprobs: Tensor, *, beta: float) -> Tensor:
    return logprobs - beta * ref_logprobs


@bug(
    "squared difference",
    mistake="the difference is squared, so that a completion made less likely has a high reward as well",
    symptom="rejected completions look as good as chosen ones once both have moved",
)
def implicit_reward__squared(logprobs: Tensor, ref_logprobs: Tensor, *, beta: float) -> Tensor:
    return beta * (logprobs - ref_logprobs) ** 2
