"""Solutions written in other ways than the reference, right ones and wrong ones that are on no list."""

import torch


def kept_only_returns(rewards, mask, *, gamma):
    out = torch.zeros_like(rewards)
    for b in range(len(rewards)):
        places = mask[b].nonzero()[:, 0].tolist()
        for i, t in enumerate(places):
            out[b, t] = sum(gamma**n * rewards[b, s] for n, s in enumerate(places[i:]))
    return out


def float32_returns(rewards, mask, *, gamma):
    rewards, running = rewards.float(), torch.zeros(len(rewards))
    out = []
    for t in range(rewards.shape[1] - 1, -1, -1):
        keep = mask[:, t].float()
        running = keep * (rewards[:, t] + gamma * running) + (1 - keep) * running
        out.append(running * keep)
    return torch.stack(out[::-1], dim=1)


def kept_only_gae(rewards, values, mask, *, gamma, gae_lambda, bootstrap):
    out = torch.zeros_like(rewards)
    for b in range(len(rewards)):
        after, advantage = bootstrap[b], 0.0
        for t in reversed(mask[b].nonzero()[:, 0].tolist()):
            advantage = rewards[b, t] + gamma * after - values[b, t] + gamma * gae_lambda * advantage
            out[b, t], after = advantage, values[b, t]
    return out


def verl_like_gae(rewards, values, mask, *, gamma, gae_lambda, bootstrap):
    keep, after, running, out = mask.double(), bootstrap, 0.0, []
    for t in reversed(range(rewards.shape[1])):
        delta = rewards[:, t] + gamma * after - values[:, t]
        step = delta + gamma * gae_lambda * running
        after = values[:, t] * keep[:, t] + (1 - keep[:, t]) * after
        running = step * keep[:, t] + (1 - keep[:, t]) * running
        out.append(running)
    return torch.stack(out[::-1], dim=1) * keep


def where_loss(values, returns, *, old_values=None, clip=None):
    returns = returns.detach()
    plain = (values - returns).pow(2) / 2
    if clip is None:
        return plain
    old_values = old_values.detach()
    moved = torch.min(torch.max(values, old_values - clip), old_values + clip)
    clipped = torch.nn.functional.mse_loss(moved, returns, reduction="none") / 2
    return torch.where(clipped > plain, clipped, plain)


def halved_difference(values, returns, *, old_values=None, clip=None):
    target = returns.data
    losses = [(values - target).square()]
    if clip:
        losses.append((torch.clamp(values, old_values.data - clip, old_values.data + clip) - target).square())
    return torch.stack(losses).max(dim=0).values * 0.5


SOLUTIONS = {
    "discounted_returns": [kept_only_returns, float32_returns],
    "gae": [kept_only_gae, verl_like_gae],
    "value_loss": [where_loss, halved_difference],
}


def clipped_value_loss(values, returns, old_values, clip):
    if clip is None:
        return 0.5 * (values - returns) ** 2
    moved = old_values + (values - old_values).clamp(-clip, clip)
    return 0.5 * torch.maximum((values - returns) ** 2, (moved - returns) ** 2)


def old_values_live(values, returns, *, old_values=None, clip=None):
    return clipped_value_loss(values, returns.detach(), old_values, clip)


def returns_live_under_the_clip(values, returns, *, old_values=None, clip=None):
    if clip is None:
        return 0.5 * (values - returns.detach()) ** 2
    return clipped_value_loss(values, returns, old_values.detach(), clip)


def no_defaults(values, returns, *, old_values, clip):
    detached = old_values if old_values is None else old_values.detach()
    return clipped_value_loss(values, returns.detach(), detached, clip)


WRONG = {
    "value_loss": [old_values_live, returns_live_under_the_clip, no_defaults],
}
