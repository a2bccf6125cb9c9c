"""Solutions written in other ways than the reference, right ones and wrong ones that are on no list."""

import torch


def loop_k1(token_logprobs, ref_logprobs):
    rows = [[a - b for a, b in zip(p, q, strict=True)] for p, q in zip(token_logprobs, ref_logprobs, strict=True)]
    return torch.stack([torch.stack(row) for row in rows])


def k1_of_the_ratio(token_logprobs, ref_logprobs):
    return torch.log(token_logprobs.exp() / ref_logprobs.exp())


def float32_k2(token_logprobs, ref_logprobs):
    return 0.5 * (token_logprobs.float() - ref_logprobs.float()).square()


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


SOLUTIONS = {
    "kl_k1": [loop_k1, k1_of_the_ratio],
    "kl_k2": [float32_k2],
    "kl_k3": [trl_k3, k3_of_the_ratio],
    "kl_full": [kl_div_full, loop_full, entropy_and_cross_entropy],
}


def argmax_full(logits, ref_logits):  # the log-ratio of the likeliest word only
    logp, ref_logp = logits[:, :-1].log_softmax(-1), ref_logits[:, :-1].log_softmax(-1)
    best = logp.argmax(-1, keepdim=True)
    return (logp - ref_logp).gather(-1, best).squeeze(-1)


WRONG = {
    "kl_k1": [
        lambda p, q: (p - q).detach(),
        lambda p, q: (p - q).mean(),
        lambda p, q: p / q,
        lambda p, q: (p - q).clamp(-20, 20),
    ],
    "kl_k2": [lambda p, q: 0.5 * (p - q).mean() ** 2 * torch.ones_like(p), lambda p, q: 0.5 * (p**2 - q**2)],
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
