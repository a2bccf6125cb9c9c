"""Solutions written in other ways than the reference, right ones and wrong ones that are on no list."""

import torch
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid, softplus

from reference import objectives


def by_softplus(chosen, rejected, ref_chosen, ref_rejected, *, beta):
    return softplus(beta * ((rejected - ref_rejected) - (chosen - ref_chosen)))


def as_the_paper_groups_it(chosen, rejected, ref_chosen, ref_rejected, *, beta):
    policy, reference = chosen - rejected, ref_chosen - ref_rejected
    return -(beta * policy - beta * reference).sigmoid().log()


def of_implicit_rewards(chosen, rejected, ref_chosen, ref_rejected, *, beta):
    good = objectives.implicit_reward(chosen, ref_chosen, beta=beta)
    return objectives.bradley_terry_loss(good, objectives.implicit_reward(rejected, ref_rejected, beta=beta))


def as_a_classifier(chosen, rejected, ref_chosen, ref_rejected, *, beta):
    logit = beta * (chosen - rejected - ref_chosen.detach() + ref_rejected.detach())
    return binary_cross_entropy_with_logits(logit, torch.ones_like(logit), reduction="none")


def in_loops_and_float32(chosen, rejected, ref_chosen, ref_rejected, *, beta):
    rows = zip(chosen.float(), rejected.float(), ref_chosen.float(), ref_rejected.float(), strict=True)
    return torch.stack([torch.log1p(torch.exp(-beta * (c - rc - r + rr))) for c, r, rc, rr in rows])


def log_of_a_quotient(logprobs, ref_logprobs, *, beta):
    return beta * torch.log(logprobs.exp() / ref_logprobs.exp())


def expanded(chosen, rejected, ref_chosen, ref_rejected, *, beta):
    m = (chosen - rejected) - (ref_chosen - ref_rejected)
    return m * m - m / beta + 1 / (4 * beta**2)


SOLUTIONS = {
    "dpo_loss": [by_softplus, as_the_paper_groups_it, of_implicit_rewards, as_a_classifier, in_loops_and_float32],
    "implicit_reward": [log_of_a_quotient],
    "ipo_loss": [expanded],
}


WRONG = {
    "implicit_reward": [lambda p, ref, *, beta: beta * (p - ref).clamp(-20, 20)],
    "dpo_loss": [
        lambda c, r, rc, rr, *, beta: -logsigmoid((beta * (c - rc - r + rr)).clamp(-10, 10)),
        lambda c, r, rc, rr, *, beta: -((beta * (c - rc - r + rr)).sigmoid() + 1e-8).log(),
    ],
}
