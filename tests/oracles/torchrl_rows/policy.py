"""torchrl's losses of a language model's policy, with a network that has its answer already."""

import torch
from tensordict import TensorDict
from torch import Tensor, nn
from torchrl.modules.distributions.discrete import LLMMaskedCategorical
from torchrl.objectives.llm.grpo import DAPO, CISPOLoss, GRPOLoss

from ..cases import CLIP_HIGH, CLIP_LOW, FAR, HOLES, KL_COEF, ORDINARY, Case
from ..records import Row

BOUNDS = (CLIP_LOW, CLIP_HIGH)
TOLD_APART = 0.05  # of kl_mask_threshold: some tokens are beyond it


class Answered(nn.Module):
    """A policy whose logits are there already. torchrl makes its own distribution of them."""

    def __init__(self, logits: Tensor, mask: Tensor):
        super().__init__()
        self.dist = LLMMaskedCategorical(logits=logits, mask=mask)

    def get_dist(self, tensordict: TensorDict, **_: str) -> LLMMaskedCategorical:
        return self.dist


def two_words(logprobs: Tensor) -> Tensor:
    """Logits of a vocabulary of two: the token that was sampled, with its log-prob, and all the others."""
    return torch.stack([logprobs, (-logprobs.exp()).log1p()], dim=-1)


def loss_of(kind: type, logits: Tensor, action: Tensor, case: Case, **options: object) -> TensorDict:
    loss = kind(Answered(logits, case.mask), **{"entropy_bonus": False, **options})
    batch = {
        ("tokens", "full"): action,
        ("log_probs", "full"): case.old,
        ("next", "ref_log_probs", "full"): case.ref,
        "advantage": case.advantages[..., None],
    }
    return loss(TensorDict(batch, batch_size=[len(case.mask)]))


def loss_row(
    kind: type = GRPOLoss, *, output: str = "loss_objective", cases: tuple = ORDINARY, **options: object
) -> Row:
    given = {"clip_epsilon": BOUNDS, **options}

    def function(logprobs: Tensor, case: Case) -> Tensor:
        action = torch.zeros_like(case.tokens[:, 1:])
        return getattr(loss_of(kind, two_words(logprobs), action, case, **given), output).squeeze()

    return Row("logprobs", function, cases)


def defaults_row(kind: type, cases: tuple = ORDINARY) -> Row:
    """With its own clip."""
    action = torch.zeros_like
    return Row("logprobs", lambda x, c: loss_of(kind, two_words(x), action(c.tokens[:, 1:]), c).loss_objective, cases)


def of_logits_row(output: str) -> Row:
    """From logits, with the bonus for entropy that it has by default."""

    def function(logits: Tensor, case: Case) -> Tensor:
        result = loss_of(GRPOLoss, logits[:, :-1], case.tokens[:, 1:], case, clip_epsilon=BOUNDS, entropy_bonus=True)
        return getattr(result, output)

    return Row("logits", function, ("ragged", "full"))


def logprobs(logits: Tensor, case: Case) -> Tensor:
    everywhere = torch.ones_like(case.mask)
    return LLMMaskedCategorical(logits=logits[:, :-1], mask=everywhere).log_prob(case.tokens[:, 1:])


def entropy(logits: Tensor, case: Case) -> Tensor:
    return LLMMaskedCategorical(logits=logits[:, :-1], mask=torch.ones_like(case.mask)).entropy()


POLICY = {
    "GRPOLoss": loss_row(cases=(*FAR, "tools")),
    "GRPOLoss, prompt_mean": loss_row(aggregation="prompt_mean"),
    "GRPOLoss, none": loss_row(aggregation="none", cases=("ragged",)),
    "GRPOLoss, kl_mask_threshold": loss_row(kl_mask_threshold=TOLD_APART, cases=HOLES),
    "GRPOLoss, its clip": defaults_row(GRPOLoss, ("ragged",)),
    "DAPO": defaults_row(DAPO),
    "CISPOLoss": loss_row(CISPOLoss, cases=FAR),
    "GRPOLoss loss_kl_to_ref": loss_row(output="loss_kl_to_ref", kl_to_ref_coeff=KL_COEF),
    "GRPOLoss loss_kl_to_inference": loss_row(
        output="loss_kl_to_inference", kl_to_inference_coeff=KL_COEF, cases=("ragged",)
    ),
    "GRPOLoss kl_approx": loss_row(output="kl_approx", cases=("ragged", "full")),
    "GRPOLoss clip_fraction": loss_row(output="clip_fraction", cases=("ragged", "full")),
    "GRPOLoss loss_entropy": of_logits_row("loss_entropy"),
    "GRPOLoss entropy": of_logits_row("entropy"),
    "LLMMaskedCategorical.log_prob": Row("logits", logprobs, ("ragged", "full")),
    "LLMMaskedCategorical.entropy": Row("logits", entropy, ("ragged", "full")),
}
