"""Solutions written in other ways than the reference, right ones and wrong ones that are on no list."""

import torch


def row_by_row(tokens, attention_mask, mask, logprobs, old_logprobs, *, prompt_width, eos_token_id):
    rows, time = tokens.shape
    for x in (mask, logprobs, old_logprobs):
        if tuple(x.shape) != (rows, time - 1):
            return {"shape"}
    found = set() if mask.sum() else {"empty"}
    for i in range(rows):
        real = [t for t in range(time) if attention_mask[i, t]]
        kept = [t + 1 for t in range(time - 1) if mask[i, t]]  # as places of tokens
        if not kept:
            continue
        if min(kept) < prompt_width:
            found.add("prompt")
        if set(kept) - set(real):
            found.add("pad")
        if prompt_width in real and prompt_width not in kept:
            found.add("start")
        if tokens[i, real[-1]] == eos_token_id and real[-1] not in kept:
            found.add("eos")
        if any(abs(float(logprobs[i, t - 1] - old_logprobs[i, t - 1])) > 1e-3 for t in kept):
            found.add("ratio")
    return found


def on_the_token_axis(tokens, attention_mask, mask, logprobs, old_logprobs, *, prompt_width, eos_token_id):
    want = torch.Size([len(tokens), tokens.shape[1] - 1])
    if {mask.shape, logprobs.shape, old_logprobs.shape} != {want}:
        return ("shape",)
    kept = torch.nn.functional.pad(mask.bool(), (1, 0))
    gap = torch.nn.functional.pad((logprobs - old_logprobs).abs(), (1, 0))
    real = attention_mask == 1
    end = real & ~torch.nn.functional.pad(real[:, 1:], (0, 1))
    used = kept.any(1, keepdim=True)
    names = []
    for name, wrong in (
        ("prompt", kept[:, :prompt_width]),
        ("pad", kept & ~real),
        ("empty", ~used.any()),
        ("start", (used & real & ~kept)[:, prompt_width]),
        ("eos", used & end & (tokens == eos_token_id) & ~kept),
        ("ratio", kept & (gap > 0.001)),
    ):
        names += [name] * bool(wrong.any())
    return names


def by_spread(rewards, *, loss, grad_norm):
    if not -1e-6 <= loss <= 1e-6:
        return "not zero"
    if grad_norm:
        return "healthy"
    return "cut" if (rewards.amax(1) - rewards.amin(1)).any() else "dead groups"


def by_list(reward, reward_std, approx_kl, clip_frac, entropy, grad_norm, *, updates):
    rise = float(reward[-1] - reward[0]) / max(float(reward_std[0]), 1e-30)
    words = {
        "no signal": float(reward_std.max()) == 0,
        "frozen": updates > 1 and float(approx_kl.max()) < 1e-9 and float(grad_norm.max()) > 0,
        "too far": max(float(approx_kl.max()) / 0.02, float(clip_frac.max()) / 0.3) > 1,
        "collapse": float(entropy[-1] / entropy[0]) < 0.1 and rise <= 0.1,
        "learns": rise > 0.1,
        "falls": rise < -0.1,
        "flat": True,
    }
    return next(word for word, fits in words.items() if fits)


SOLUTIONS = {"check_batch": [row_by_row, on_the_token_axis], "loss_zero": [by_spread], "read_scalars": [by_list]}


def never_wrong(tokens, attention_mask, mask, logprobs, old_logprobs, *, prompt_width, eos_token_id):
    return []


def all_names(tokens, attention_mask, mask, logprobs, old_logprobs, *, prompt_width, eos_token_id):
    return ["shape", "prompt", "pad", "empty", "start", "eos", "ratio"]


def always_healthy(rewards, *, loss, grad_norm):
    return "healthy"


def a_boolean(rewards, *, loss, grad_norm):
    return loss == 0 and grad_norm == 0


def always_learns(reward, reward_std, approx_kl, clip_frac, entropy, grad_norm, *, updates):
    return "learns"


def by_the_reward_alone(reward, reward_std, approx_kl, clip_frac, entropy, grad_norm, *, updates):
    return "learns" if reward[-1] > reward[0] else "falls"


WRONG = {
    "check_batch": [never_wrong, all_names],
    "loss_zero": [always_healthy, a_boolean],
    "read_scalars": [always_learns, by_the_reward_alone],
}
