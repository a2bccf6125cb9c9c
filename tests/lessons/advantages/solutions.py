"""Solutions written in other ways than the reference, right ones and wrong ones that are on no list."""

import math

import torch


def in_loops(rewards, *, group_size, scale, eps):
    values, out = rewards.tolist(), []
    centre = sum(values) / len(values)
    batch = math.sqrt(sum((v - centre) ** 2 for v in values) / (len(values) - 1))
    for start in range(0, len(values), group_size):
        group = values[start : start + group_size]
        middle = sum(group) / group_size
        std = math.sqrt(sum((v - middle) ** 2 for v in group) / (group_size - 1))
        out += [(v - middle) / {"none": 1, "group": std + eps, "batch": batch + eps}[scale] for v in group]
    return torch.tensor(out, dtype=torch.float64)


def in_float32(rewards, *, group_size, scale, eps):
    r = rewards.float()
    mean = r.unfold(0, group_size, group_size).mean(1).repeat_interleave(group_size)
    std = r.unfold(0, group_size, group_size).std(1).repeat_interleave(group_size)
    return (r - mean) / (1 if scale == "none" else (std if scale == "group" else r.std()) + eps)


def by_rows(rewards, *, group_size, scale, eps):  # einops would write (b g) -> b g
    std = rewards.std()
    rows = [
        (row - row.mean()) / ({"group": row.std(), "batch": std}[scale] + eps) if scale != "none" else row - row.mean()
        for row in rewards.split(group_size)
    ]
    return torch.cat(rows)


def short_form(rewards, *, group_size):
    groups = rewards.reshape(-1, group_size)
    return (group_size / (group_size - 1) * (groups - groups.mean(-1, keepdim=True))).reshape(-1)


def others_by_matrix(rewards, *, group_size):
    matrix = torch.eye(group_size) - (1 - torch.eye(group_size)) / (group_size - 1)
    return torch.einsum("bi,ij->bj", rewards.view(-1, group_size).float(), matrix).flatten()


def others_in_loops(rewards, *, group_size):
    out = []
    for group in rewards.view(-1, group_size).tolist():
        out += [v - sum(group[:i] + group[i + 1 :]) / (group_size - 1) for i, v in enumerate(group)]
    return torch.tensor(out)


def by_sets(rewards, *, group_size):
    dead = [len(set(group.tolist())) == 1 for group in rewards.split(group_size)]
    return torch.tensor(sum(dead) / len(dead))


def by_the_first(rewards, *, group_size):
    groups = rewards.view(-1, group_size)
    return (groups == groups[:, :1]).all(dim=1).float().mean()


SOLUTIONS = {
    "group_advantages": [in_loops, in_float32, by_rows],
    "rloo_advantages": [short_form, others_by_matrix, others_in_loops],
    "dead_group_share": [by_sets, by_the_first],
}


def groups(rewards, group_size):
    return rewards.view(-1, group_size)


WRONG = {
    "dead_group_share": [
        lambda r, *, group_size: (groups(r, group_size).std(1) == 0).double().mean(),  # 0.1 thrice: 1e-17
        lambda r, *, group_size: (groups(r, group_size).std(1) < 1e-3).double().mean(),
        lambda r, *, group_size: (groups(r, group_size).mean(1) == r[::group_size]).double().mean(),
        lambda r, *, group_size: groups(r, group_size).isclose(r[::group_size, None]).all(1).double().mean(),
    ]
}
