"""Other losses, and other margins, in the place of DPO's."""

from collections.abc import Callable

from torch import Tensor
from torch.nn.functional import logsigmoid

from reference.teaching.bug import bug

from .margin import margin_of


@bug(
    "sum for difference",
    mistake="the two log-ratios are added up: a pair is won if both completions become likelier",
    symptom="the loss falls while the rejected completions rise as much as the chosen ones",
)
def dpo_loss__sum(chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float) -> Tensor:
    return -logsigmoid(beta * ((chosen - ref_chosen) + (rejected - ref_rejected)))


def smoothed(share: float) -> Callable[..., Tensor]:
    def loss(
        chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float
    ) -> Tensor:  # fmt: skip
        margin = beta * margin_of(chosen, rejected, ref_chosen, ref_rejected)
        return -(1 - share) * logsigmoid(margin) - share * logsigmoid(-margin)

    return loss


@bug(
    "labels smoothed",
    mistake="a share of the loss is that of the opposite verdict: this is conservative DPO, with smoothed labels",
    symptom="the margin stops growing where the model is as sure as the labels are said to be",
    likewise=tuple(map(smoothed, (0.01, 0.05, 0.2, 0.25, 0.3))),
)
def dpo_loss__smoothed(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float
) -> Tensor:
    return smoothed(0.1)(chosen, rejected, ref_chosen, ref_rejected, beta=beta)


@bug(
    "IPO",
    mistake="this is the loss of IPO, which aims at a margin; DPO pushes for a larger one at every pair",
    symptom="margins settle at 1 / (2 beta), and pairs beyond it are pulled back",
)
def dpo_loss__ipo(chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float) -> Tensor:
    return (margin_of(chosen, rejected, ref_chosen, ref_rejected) - 1 / (2 * beta)) ** 2


@bug(
    "the margin itself",
    mistake="the margin is returned with a minus: it is not passed through a sigmoid and a log",
    symptom="every pair pulls equally hard for ever, also those that are won by far, and the policy falls apart",
)
def dpo_loss__linear(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float
) -> Tensor:
    return -beta * margin_of(chosen, rejected, ref_chosen, ref_rejected)


@bug(
    "an exponential loss",
    mistake="the exp of minus the margin is returned: without a bound on the pull of a pair that is lost by far",
    symptom="one mislabelled pair outweighs the rest of the batch",
)
def dpo_loss__exponential(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float
) -> Tensor:
    return (-beta * margin_of(chosen, rejected, ref_chosen, ref_rejected)).exp()


@bug(
    "an SFT term on top",
    mistake="the negative log-prob of the chosen completion is added: that is a second loss, as in RPO",
    symptom="the loss starts at the length of the completions, and the pull of the pairs is small beside it",
)
def dpo_loss__with_sft(
    chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, *, beta: float
) -> Tensor:
    return -logsigmoid(beta * margin_of(chosen, rejected, ref_chosen, ref_rejected)) - chosen
