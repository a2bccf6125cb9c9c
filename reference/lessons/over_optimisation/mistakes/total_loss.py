"""What goes wrong with the signs and the coefficients of the terms that one step minimises."""

from torch import Tensor

from reference.teaching.bug import bug

KL, SFT, ENTROPY = "kl", "sft_loss", "entropy"


def summed(
    policy_loss: Tensor, terms: dict, *, vf: float = 1, kl: float = 1, sft: float = 1, entropy: float = 1
) -> Tensor:
    """The right sum, but that each term is multiplied by one more number."""
    total = policy_loss + vf * terms["vf_coef"] * terms["value_loss"] + kl * terms["kl_coef"] * terms["kl"]
    return total + sft * terms["sft_coef"] * terms["sft_loss"] - entropy * terms["entropy_coef"] * terms["entropy"]


@bug(
    "entropy added",
    mistake="the entropy is added to the loss, and a loss is made smaller: what is called a bonus is a penalty",
    symptom="the entropy falls faster than without the term, and the samples of a prompt become one text",
    wild="pg-is-all-you-need #37, open; open_spiel #962",
)
def total_loss__entropy_added(policy_loss: Tensor, **terms) -> Tensor:
    return summed(policy_loss, terms, entropy=-1)


@bug(
    "KL subtracted",
    mistake="the KL is taken off the loss, so moving away from the reference is paid for",
    symptom="the KL grows faster than without the term, and the text falls apart",
)
def total_loss__kl_subtracted(policy_loss: Tensor, **terms) -> Tensor:
    return summed(policy_loss, terms, kl=-1)


@bug(
    "SFT subtracted",
    mistake="the NLL of the demonstrations is taken off the loss, so the model is paid for forgetting them",
    symptom="the NLL of the demonstrations rises without a limit, and with it the format of the answers is lost",
)
def total_loss__sft_subtracted(policy_loss: Tensor, **terms) -> Tensor:
    return summed(policy_loss, terms, sft=-1)


@bug(
    "everything subtracted",
    mistake="KL and NLL are taken off as well: the signs of something that is maximised, in a loss that is minimised",
    symptom="KL and NLL rise together from the first step on, the faster the larger their coefficients are",
    likewise=(lambda policy_loss, **terms: summed(policy_loss, terms, vf=-1, kl=-1, sft=-1),),
)
def total_loss__objective_signs(policy_loss: Tensor, **terms) -> Tensor:
    return summed(policy_loss, terms, kl=-1, sft=-1)


@bug(
    "vf_coef forgotten",
    mistake="the value error is added without its coefficient",
    symptom="where policy and critic share weights, the critic's gradient drowns the policy's; with a critic of its own and Adam nobody notices",
    wild="pytorch-a2c-ppo-acktr-gail #67",
)
def total_loss__vf_forgotten(policy_loss: Tensor, **terms) -> Tensor:
    return summed(policy_loss, terms, vf=1 / terms["vf_coef"])


@bug(
    "half of the value error twice",
    mistake="the value error is halved once more: its half is in it already",
    symptom="the critic has half the weight that the config says, and learns more slowly where it shares the policy's weights",
    wild="pytorch-a2c-ppo-acktr-gail PR #287, open; brax #596, open",
)
def total_loss__half_twice(policy_loss: Tensor, **terms) -> Tensor:
    return summed(policy_loss, terms, vf=0.5)


def sft_forgotten(policy_loss: Tensor, **terms) -> Tensor:
    return summed(policy_loss, terms, sft=1 / terms["sft_coef"])


def entropy_forgotten(policy_loss: Tensor, **terms) -> Tensor:
    return summed(policy_loss, terms, entropy=1 / terms["entropy_coef"])


def all_forgotten(policy_loss: Tensor, **terms) -> Tensor:
    return policy_loss + terms["value_loss"] + terms["kl"] + terms["sft_loss"] - terms["entropy"]


@bug(
    "a coefficient forgotten",
    mistake="a term beside the policy loss stands in the sum without its coefficient",
    symptom="every value of that coefficient gives the same run, and the term drowns the reward if its coefficient was small",
    likewise=(sft_forgotten, entropy_forgotten, all_forgotten),
)
def total_loss__kl_forgotten(policy_loss: Tensor, **terms) -> Tensor:
    return summed(policy_loss, terms, kl=1 / terms["kl_coef"])


def squared(policy_loss: Tensor, **terms) -> Tensor:
    return summed(policy_loss, terms, **{name: terms[f"{name}_coef"] for name in ("vf", "kl", "sft", "entropy")})


@bug(
    "a coefficient twice",
    mistake="a term is multiplied by its coefficient twice, here and where the term was made",
    symptom="a coefficient of 0.1 acts as 0.01, so a term that should hold the policy hardly does",
    likewise=(
        squared,
        lambda policy_loss, **terms: summed(policy_loss, terms, vf=terms["vf_coef"]),
        lambda policy_loss, **terms: summed(policy_loss, terms, sft=terms["sft_coef"]),
        lambda policy_loss, **terms: summed(policy_loss, terms, entropy=terms["entropy_coef"]),
    ),
)
def total_loss__kl_twice(policy_loss: Tensor, **terms) -> Tensor:
    return summed(policy_loss, terms, kl=terms["kl_coef"])


@bug(
    "KL and entropy swap coefficients",
    mistake="the coefficient of the entropy stands at the KL, and that of the KL at the entropy",
    symptom="setting kl_coef higher makes the samples more random, and the KL does not fall",
)
def total_loss__coefs_swapped(policy_loss: Tensor, **terms) -> Tensor:
    kl, entropy = terms["kl_coef"], terms["entropy_coef"]
    return summed(policy_loss, terms, kl=entropy / kl, entropy=kl / entropy)
