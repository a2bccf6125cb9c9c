"""What goes wrong when the policy gradient becomes a loss."""

from torch import Tensor

from reference.teaching.bug import bug


@bug(
    "sign of the loss",
    mistake="the sign is turned round: your loss falls when completions with a negative advantage become likelier",
    symptom="the mean reward falls, step after step, and nothing else looks wrong",
)
def reinforce_loss__sign(token_logprobs: Tensor, advantages: Tensor) -> Tensor:
    return advantages.detach() * token_logprobs


@bug(
    "gradient into the advantage",
    mistake="the gradient flows into the advantages too, so whatever computed them is trained by this loss",
    symptom="a critic is pushed towards values that make the policy loss small; its own loss rises",
)
def reinforce_loss__advantage_attached(token_logprobs: Tensor, advantages: Tensor) -> Tensor:
    return -advantages * token_logprobs


@bug(
    "log-prob as a constant",
    mistake="the log-probs are taken as constants, so the loss has no gradient for the policy",
    symptom="the loss has a value, grad_norm of the policy is 0, and nothing is learned",
)
def reinforce_loss__logprob_detached(token_logprobs: Tensor, advantages: Tensor) -> Tensor:
    return -advantages * token_logprobs.detach()


@bug(
    "probability instead of log-prob",
    mistake="you use the probability where the log-prob belongs, so the gradient has the probability as another factor",
    symptom="rare tokens hardly learn: the sampler draws them rarely, and the loss makes each one count less again",
)
def reinforce_loss__probability(token_logprobs: Tensor, advantages: Tensor) -> Tensor:
    return -advantages.detach() * token_logprobs.exp()


@bug(
    "probability as another weight",
    mistake="each token is weighted with its probability, but the sampler has drawn it with this probability already",
    symptom="rare tokens hardly learn: their probability counts twice",
)
def reinforce_loss__weighted_twice(token_logprobs: Tensor, advantages: Tensor) -> Tensor:
    return -advantages.detach() * token_logprobs.exp().detach() * token_logprobs


@bug(
    "ratio of 1",
    mistake="the gradient is right, but this is the loss with the ratio: its value is minus the advantage, where REINFORCE "
    "has a loss of 0 for a log-prob of 0",
    symptom="nothing is wrong in the training; the logged loss is that of PPO at ratio 1",
)
def reinforce_loss__ratio(token_logprobs: Tensor, advantages: Tensor) -> Tensor:
    return -advantages.detach() * (token_logprobs - token_logprobs.detach()).exp()


@bug(
    "advantage forgotten",
    mistake="the advantages have no effect: every token is made likelier, the bad ones too",
    symptom="the policy imitates its own samples, and the mean reward does not rise",
)
def reinforce_loss__no_advantage(token_logprobs: Tensor, advantages: Tensor) -> Tensor:
    return -token_logprobs


@bug(
    "averaged already",
    mistake="the tokens are averaged inside: mask and normaliser come later, so one number per token is wanted",
    symptom="the mask finds a single number, and the padding is trained",
)
def reinforce_loss__averaged(token_logprobs: Tensor, advantages: Tensor) -> Tensor:
    return (-advantages.detach() * token_logprobs).mean()


@bug(
    "advantage added",
    mistake="the advantage is added to the loss instead of multiplied with it, so it has no part in the gradient",
    symptom="every token is made likelier, the bad ones too",
)
def reinforce_loss__added(token_logprobs: Tensor, advantages: Tensor) -> Tensor:
    return -(token_logprobs + advantages.detach())
