"""What goes wrong in dpo_loss: the margin, where beta stands, and what is taken of it."""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from reference.teaching.bug import bug

from .margin import margin_of

# ---- the margin ------------------------------------------------------------------------------------------------------


@bug(
    "chosen and rejected swapped",
    mistake="the margin is that of rejected over chosen: the wrong completion is made likelier",
    symptom="the accuracy of the pairs falls below one half and the policy gets worse from the first step on",
)
def dpo_loss__swapped(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float
) -> Tensor:
    return -logsigmoid(-beta * margin_of(chosen, rejected, ref_chosen, ref_rejected))


@bug(
    "no reference",
    mistake="the reference does not enter: pairs that it already ranks the right way count as won before training",
    symptom="the loss does not start at ln 2, and nothing ties the policy to where it came from",
)
def dpo_loss__no_reference(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float
) -> Tensor:
    return -logsigmoid(beta * (chosen - rejected))


@bug(
    "reference with the wrong sign",
    mistake="the reference's preference is added to the policy's instead of taken off it (or each log-prob is compared "
    "with the reference's of the other completion)",
    symptom="the loss does not start at ln 2; pairs that the reference ranks wrongly look lost for ever",
)
def dpo_loss__reference_added(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float
) -> Tensor:
    return -logsigmoid(beta * ((chosen - rejected) + (ref_chosen - ref_rejected)))


@bug(
    "a bracket missing",
    mistake="both log-probs of the reference are subtracted; a minus in front of a bracket turns the signs inside it",
    symptom="the first loss is nearly 0: log-probs are negative, so every pair looks won by far",
)
def dpo_loss__bracket_missing(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float
) -> Tensor:
    return -logsigmoid(beta * (chosen - rejected - ref_chosen - ref_rejected))


@bug(
    "chosen alone",
    mistake="only the chosen completion is compared with its reference; the rejected one plays no part",
    symptom="close to fine-tuning on the chosen completions: nothing is pushed down but by the softmax",
)
def dpo_loss__chosen_alone(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float
) -> Tensor:
    return -logsigmoid(beta * (chosen - ref_chosen))


@bug(
    "rejected detached",
    mistake="the value is right, but the rejected log-prob carries no gradient: only half of the margin trains",
    symptom="the loss looks as it should and the margin grows, more slowly, by the chosen log-prob alone",
)
def dpo_loss__rejected_detached(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float
):
    return -logsigmoid(beta * margin_of(chosen, rejected.detach(), ref_chosen, ref_rejected))


@bug(
    "log-probs divided",
    mistake="log-probs are divided by each other; the ratio of two probabilities is the difference of their logs",
    symptom="log-probs are negative, so the quotient falls as a completion gets likelier: the wrong one is trained",
)
def dpo_loss__divided(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float
) -> Tensor:
    return -logsigmoid(beta * (chosen / ref_chosen - rejected / ref_rejected))


@bug(
    "ratios of probabilities",
    mistake="the ratios of probabilities are compared, not their logs: an exp too many",
    symptom="the gradient explodes with the first completion that became much likelier",
)
def dpo_loss__ratios(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float
) -> Tensor:
    return -logsigmoid(beta * ((chosen - ref_chosen).exp() - (rejected - ref_rejected).exp()))


# ---- beta ------------------------------------------------------------------------------------------------------------


@bug(
    "beta divides",
    mistake="the margin is divided by beta, so that a smaller beta holds the policy closer",
    symptom="at beta 0.1 pairs count as settled a hundred times too early: the policy hardly moves",
)
def dpo_loss__beta_divides(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float
) -> Tensor:
    return -logsigmoid(margin_of(chosen, rejected, ref_chosen, ref_rejected) / beta)


@bug(
    "beta forgotten",
    mistake="beta does not enter at all, as if it were 1",
    symptom="runs with different beta are the same run",
)
def dpo_loss__no_beta(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float
) -> Tensor:
    return -logsigmoid(margin_of(chosen, rejected, ref_chosen, ref_rejected))


@bug(
    "beta outside",
    mistake="beta multiplies the loss and not the margin: it scales the gradient and leaves the optimum where it is",
    symptom="with Adam, beta has no effect",
)
def dpo_loss__beta_outside(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float
) -> Tensor:
    return -beta * logsigmoid(margin_of(chosen, rejected, ref_chosen, ref_rejected))


@bug(
    "beta on the policy alone",
    mistake="beta multiplies the policy's log-probs and not the reference's",
    symptom="the loss does not start at ln 2, and the margin drifts towards the reference's over beta",
)
def dpo_loss__beta_on_policy(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float
) -> Tensor:
    return -logsigmoid(beta * (chosen - rejected) - (ref_chosen - ref_rejected))


# ---- what is taken of it ---------------------------------------------------------------------------------------------


@bug(
    "likelihood, minimised",
    mistake="this is the log-likelihood, which is to be maximised; an optimizer that minimises it prefers the rejected",
    symptom="the loss is negative and falls, and so does the accuracy of the pairs",
)
def dpo_loss__sign(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float
) -> Tensor:
    return logsigmoid(beta * margin_of(chosen, rejected, ref_chosen, ref_rejected))


@bug(
    "a sigmoid without its log",
    mistake="the probability that chosen wins is maximised, not its log: pairs that are badly lost get no gradient",
    symptom="the loss starts at -1/2; the pairs that most need it never move",
)
def dpo_loss__no_log(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float
) -> Tensor:
    return -(beta * margin_of(chosen, rejected, ref_chosen, ref_rejected)).sigmoid()


@bug(
    "the probability of losing",
    mistake="this is 1 - sigmoid, as in KTO, and not the negative log of a probability",
    symptom="the loss starts at 1/2; the pairs that most need it never move",
)
def dpo_loss__losing(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float
) -> Tensor:
    return (-beta * margin_of(chosen, rejected, ref_chosen, ref_rejected)).sigmoid()


@bug(
    "a hinge",
    mistake="max(0, 1 - beta * margin) is another loss: pairs that are won by 1 / beta no longer train",
    symptom="the loss starts at 1 and reaches exactly 0; the margins stop there",
    wild="on purpose as loss_type='hinge' in TRL",
)
def dpo_loss__hinge(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float
) -> Tensor:
    return (1 - beta * margin_of(chosen, rejected, ref_chosen, ref_rejected)).relu()


@bug(
    "two verdicts instead of one",
    mistake="chosen and rejected each get a sigmoid of their own; only their difference is known",
    symptom="the loss starts at 2 ln 2, and the chosen log-prob is not allowed to fall",
    wild="on purpose as NCA (2402.05369)",
)
def dpo_loss__two_verdicts(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float
) -> Tensor:
    return -logsigmoid(beta * (chosen - ref_chosen)) - logsigmoid(-beta * (rejected - ref_rejected))


@bug(
    "averaged over the pairs",
    mistake="the mean over the pairs was taken; one number per pair was asked for, so that the caller can count them",
    symptom="right on one batch; split into micro-batches of different sizes, pairs count differently",
)
def dpo_loss__averaged(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float
) -> Tensor:
    return -logsigmoid(beta * margin_of(chosen, rejected, ref_chosen, ref_rejected)).mean()


@bug(
    "one margin for the batch",
    mistake="the margins are averaged before the sigmoid: pairs that are won hide those that are lost",
    symptom="the loss looks better than it is, and all pairs are pushed equally hard",
)
def dpo_loss__mean_margin(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float
) -> Tensor:
    margin = margin_of(chosen, rejected, ref_chosen, ref_rejected)
    return -logsigmoid(beta * margin.mean() + torch.zeros_like(margin))
