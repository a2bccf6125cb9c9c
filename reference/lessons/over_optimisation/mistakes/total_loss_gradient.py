"""What goes wrong with the sum as a whole, and with the gradients of its terms."""

from torch import Tensor

from reference.teaching.bug import bug

from .total_loss import summed

ADDED = ("value_loss", "kl", "sft_loss", "entropy")


def cut(terms: dict, *names: str) -> dict:
    """The same terms, of which these have no gradient."""
    return terms | {name: terms[name].detach() for name in names}


@bug(
    "KL without a gradient",
    mistake="the KL is a constant: its value is in the loss, and no gradient comes from it",
    symptom="loss and log look right, kl_coef has no effect, and the KL grows as without a penalty",
    wild="open-instruct #530; SkyRL #1340: both computed it under no_grad",
)
def total_loss__kl_detached(policy_loss: Tensor, **terms) -> Tensor:
    return summed(policy_loss, cut(terms, "kl"))


@bug(
    "terms without a gradient",
    mistake="a term beside the policy loss is turned into a plain number, so only its value is in the loss",
    symptom="the loss moves with the term, and its coefficient changes no weight",
    likewise=(
        lambda policy_loss, **terms: summed(policy_loss, cut(terms, "entropy")),
        lambda policy_loss, **terms: summed(policy_loss, cut(terms, "sft_loss")),
        lambda policy_loss, **terms: summed(policy_loss, cut(terms, "value_loss")),
        lambda policy_loss, **terms: summed(policy_loss, cut(terms, "kl", "entropy")),
    ),
)
def total_loss__detached(policy_loss: Tensor, **terms) -> Tensor:
    return summed(policy_loss, cut(terms, *ADDED))


@bug(
    "mean of the terms",
    mistake="the terms are averaged, not added up",
    symptom="gradients are a fifth as large: with Adam hardly anything changes, and the clip of the gradient's norm acts less often",
)
def total_loss__mean(policy_loss: Tensor, **terms) -> Tensor:
    return summed(policy_loss, terms) / (1 + len(ADDED))


@bug(
    "one coefficient on the bracket",
    mistake="a coefficient multiplies the policy loss as well, or the whole sum, and not its own term alone",
    symptom="the gradient of the reward shrinks with this coefficient: Adam hides that, and a smaller one is not a weaker penalty",
    likewise=(
        lambda policy_loss, **terms: terms["vf_coef"] * summed(policy_loss, terms, vf=1 / terms["vf_coef"]),
        lambda policy_loss, **terms: terms["kl_coef"] * summed(policy_loss, terms),
        lambda policy_loss, **terms: terms["vf_coef"] * summed(policy_loss, terms),
    ),
)
def total_loss__bracket(policy_loss: Tensor, **terms) -> Tensor:
    return terms["kl_coef"] * summed(policy_loss, terms, kl=1 / terms["kl_coef"])


@bug(
    "1 - sft_coef on the policy loss",
    mistake="sft_coef is taken for a share: what it gives to the demonstrations it takes from the policy loss",
    symptom="with more SFT the reward rises more slowly, and above 1 the policy is trained to get less reward",
)
def total_loss__share(policy_loss: Tensor, **terms) -> Tensor:
    return summed((1 - terms["sft_coef"]) * policy_loss, terms)


@bug(
    "negative KL cut off",
    mistake="a KL below 0 is set to 0, but a KL that was estimated from samples may well be negative",
    symptom="the penalty acts on some batches only, and its mean over batches is above the KL",
)
def total_loss__kl_clamped(policy_loss: Tensor, **terms) -> Tensor:
    return summed(policy_loss, terms | {"kl": terms["kl"].clamp_min(0)})


@bug(
    "the absolute KL",
    mistake="a KL below 0 has its sign turned, but a KL that was estimated from samples may well be negative",
    symptom="in batches whose estimate is below 0 the penalty pulls the other way, and its mean over batches is above the KL",
)
def total_loss__kl_absolute(policy_loss: Tensor, **terms) -> Tensor:
    return summed(policy_loss, terms | {"kl": terms["kl"].abs()})


@bug(
    "a term is left out",
    mistake="one of the five terms is not in the sum",
    symptom="its coefficient has no effect",
    likewise=(
        lambda policy_loss, **terms: summed(policy_loss, terms, vf=0),
        lambda policy_loss, **terms: summed(policy_loss, terms, kl=0),
        lambda policy_loss, **terms: summed(policy_loss, terms, sft=0),
    ),
)
def total_loss__left_out(policy_loss: Tensor, **terms) -> Tensor:
    return summed(policy_loss, terms, entropy=0)
