"""Solutions written in other ways than the reference, right ones and wrong ones that are on no list."""

import torch


def loops(token_logprobs, ref_logprobs, *, estimator):
    of_one = {"k1": lambda a, b: a - b, "k2": lambda a, b: (a - b) * (a - b) / 2}[estimator]
    rows = [
        [of_one(a, b) for a, b in zip(p, q, strict=True)] for p, q in zip(token_logprobs, ref_logprobs, strict=True)
    ]
    return torch.stack([torch.stack(row) for row in rows])


def of_the_ratio(token_logprobs, ref_logprobs, *, estimator):
    d = torch.log(token_logprobs.exp() / ref_logprobs.exp())
    return d if estimator == "k1" else 0.5 * d.square()


def in_float32(token_logprobs, ref_logprobs, *, estimator="k1"):
    d = token_logprobs.float() - ref_logprobs.float()
    return {"k1": d, "k2": 0.5 * d.square()}[estimator]


def trl_k3(token_logprobs, ref_logprobs):
    return torch.exp(ref_logprobs - token_logprobs) - (ref_logprobs - token_logprobs) - 1


def k3_of_the_ratio(token_logprobs, ref_logprobs):
    r = (ref_logprobs.detach() - token_logprobs).exp()
    return (r - 1) - r.log()


def kl_div_full(logits, ref_logits):  # torch's order: the reference is the input, the policy the target
    logp, ref_logp = logits[:, :-1].log_softmax(-1), ref_logits[:, :-1].log_softmax(-1)
    return torch.nn.functional.kl_div(ref_logp, logp, reduction="none", log_target=True).sum(-1)


def loop_full(logits, ref_logits):
    rows = []
    for p_row, q_row in zip(logits, ref_logits, strict=True):
        pairs = list(zip(p_row.softmax(-1), q_row.softmax(-1), strict=True))[:-1]
        rows.append(torch.stack([(p * (p / q).log()).sum() for p, q in pairs]))
    return torch.stack(rows)


def entropy_and_cross_entropy(logits, ref_logits):
    p = logits[:, :-1].softmax(-1)
    return (p * p.log()).sum(-1) - (p * ref_logits[:, :-1].log_softmax(-1)).sum(-1)


def k2_in_the_loss(token_logprobs, ref_logprobs, old_logprobs):
    return 0.5 * (token_logprobs - ref_logprobs) ** 2


def k2_weighted(token_logprobs, ref_logprobs, old_logprobs):
    return (token_logprobs - old_logprobs).exp().detach() * (token_logprobs - ref_logprobs).square() / 2


def ratio_times_k3(token_logprobs, ref_logprobs, old_logprobs):
    log_ratio = ref_logprobs - token_logprobs
    return torch.exp(token_logprobs - old_logprobs) * (torch.exp(log_ratio) - log_ratio - 1)


def ratio_times_k1(token_logprobs, ref_logprobs, old_logprobs):
    return torch.exp(token_logprobs - token_logprobs.detach()) * (token_logprobs - ref_logprobs)


def as_in_reinforce(token_logprobs, ref_logprobs, old_logprobs):
    return (token_logprobs - ref_logprobs).detach() * token_logprobs


def straight_through(token_logprobs, ref_logprobs, old_logprobs):
    d = token_logprobs - ref_logprobs
    k3, k2 = torch.expm1(-d) + d, d**2 / 2
    return k3.detach() + k2 - k2.detach()


SOLUTIONS = {
    "kl_penalty": [loops, of_the_ratio, in_float32],
    "kl_unbiased": [
        k2_in_the_loss,
        k2_weighted,
        ratio_times_k3,
        ratio_times_k1,
        as_in_reinforce,
        straight_through,
    ],
    "kl_k3": [trl_k3, k3_of_the_ratio],
    "kl_full": [kl_div_full, loop_full, entropy_and_cross_entropy],
}


def argmax_full(logits, ref_logits):  # the log-ratio of the likeliest word only
    logp, ref_logp = logits[:, :-1].log_softmax(-1), ref_logits[:, :-1].log_softmax(-1)
    best = logp.argmax(-1, keepdim=True)
    return (logp - ref_logp).gather(-1, best).squeeze(-1)


WRONG = {
    "kl_penalty": [
        lambda p, q, estimator: (p - q).detach() ** {"k1": 1, "k2": 2}[estimator],
        lambda p, q, estimator: (p - q).mean(),
        lambda p, q, estimator: p / q,
        lambda p, q, estimator: (p - q).clamp(-20, 20) if estimator == "k1" else (p - q) ** 2 / 2,
        lambda p, q, estimator: p - q if estimator == "k1" else 0.5 * (p**2 - q**2),
        lambda p, q, estimator: p - q,
    ],
    "kl_unbiased": [
        lambda p, q, old: (0.5 * (p - q) ** 2).mean(),
        lambda p, q, old: ((p - q) ** 2 / 2).detach(),
        lambda p, q, old: (p.exp() * (p - q)).sum(-1),
        lambda p, q, old: (p - old).exp() * (p - q).abs(),
        lambda p, q, old: 0.5 * (p - q).clamp(-2, 2) ** 2,
        lambda p, q, old: (p - old).clamp(-0.2, 0.2) * (p - q).detach() * 1.01,
        lambda p, q, old: 0.5,
        lambda p, q, old: 0.5 * (p - old) ** 2,
    ],
    "kl_k3": [
        lambda p, q: torch.expm1(q - p).clamp(max=5) - (q - p),
        lambda p, q: (torch.expm1(q - p) - (q - p)).abs() + 1e-3,
    ],
    "kl_full": [
        argmax_full,
        lambda p, q: (p[:, :-1].softmax(-1) - q[:, :-1].softmax(-1)).abs().sum(-1),
        lambda p, q: 0.5 * (p - q)[:, :-1].square().sum(-1),
    ],
}
