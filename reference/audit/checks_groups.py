"""Checks of groups: what advantages compare completions with."""

import torch
from torch import Tensor

from reference.audit.batch import Batch
from reference.audit.checks_logprobs import kept_of
from reference.audit.ends import id_of, wide
from reference.audit.finding import Finding, Level, finding, rows_named
from reference.audit.regions import by_prompt, groups

NEARLY = 1e-3  # of the batch's range of rewards: a group whose rewards differ by less has, to the eye, equal ones
LARGE = 0.1  # of the largest advantage of the batch
CENTRED = 0.05  # of the advantages' spread: rounding and a mean over tokens in the place of rows leave less
MOST_DEAD = 0.9


def per_completion(batch: Batch) -> Tensor | None:
    """(rows,) the advantage of each completion, where it has one; None where it differs from token to token."""
    if "advantages" in batch.per_row:
        return batch.per_row["advantages"].double()
    table, kept = batch.per_token.get("advantages"), kept_of(batch)
    if table is None or kept is None or not bool(table[kept].isfinite().all()):
        return None
    table = table.double()
    high = torch.where(kept, table, -torch.inf).amax(dim=1)
    low = torch.where(kept, table, torch.inf).amin(dim=1)
    rows = kept.any(dim=1)
    spread = (high - low)[rows]
    if not len(spread) or bool((spread > 1e-6 * table[kept].abs().amax().clamp(min=1e-9)).any()):
        return None
    return torch.where(rows, high, 0.0)


def taught(batch: Batch) -> Tensor:
    """(rows,) with a token in the loss: of the others the advantage is not known, and does not matter."""
    kept = kept_of(batch)
    return torch.ones(len(batch.tokens), dtype=torch.bool) if kept is None else kept.any(dim=1)


def sizes(batch: Batch) -> list[Finding]:
    """Groups of one size, as large as the config says; and not of one or two."""
    size, rows, group = id_of(batch, "group_size"), len(batch.tokens), groups(batch)
    if size and rows % size and "group" not in batch.per_row:
        return [finding("group_sizes", "doubt", f"{rows} rows are no whole number of groups of {size}.")]
    if group is None or not has_advantages(batch):
        return []
    counts = group.bincount()
    low, high = int(counts.min()), int(counts.max())
    if low != high:
        what = f"Groups have from {low} to {high} rows."
        return [finding("group_sizes", "doubt", what, rows_named((counts == low)[group]))]
    if size and size != low:
        return [finding("group_sizes", "doubt", f"Groups have {low} rows, and the group size is {size}.")]
    if low == 2:
        what = "Groups have two rows: after division by the std every advantage is the same number, with one sign or the other."
        return [finding("group_sizes", "doubt", what)]
    return []


def has_advantages(batch: Batch) -> bool:
    return "advantages" in batch.per_token or "advantages" in batch.per_row


def prompts(batch: Batch) -> list[Finding]:
    """One prompt in a group; and the same prompt in two groups is worth knowing."""
    same = by_prompt(batch)
    size = id_of(batch, "group_size")
    known = "group" in batch.per_row or (size and size > 1 and len(batch.tokens) % size == 0)
    group = groups(batch) if known else None
    if same is None or group is None:
        return []
    order = same.double()
    mixed = torch.zeros(len(group), dtype=torch.bool)
    for number in group.unique():
        rows = group == number
        mixed[rows] = bool((order[rows] != order[rows][0]).any())
    if mixed.any():
        return [finding("prompts", "fault", "Rows of one group have different prompts.", rows_named(mixed))]
    if (twice := int(group.max()) + 1 - int(same.max()) - 1) > 0:
        return [
            finding("prompts", "note", f"Prompts that came more than once: {twice} groups repeat another one's prompt.")
        ]
    return []


def completions(batch: Batch) -> list[Finding]:
    """Equal completions of one prompt: sampled with one seed, or greedily."""
    group, kept = groups(batch), kept_of(batch)
    if group is None or kept is None or int(group.bincount().max()) < 2 or not has_advantages(batch):
        return []
    texts = torch.where(wide(batch, kept), batch.tokens, -1).unique(dim=0, return_inverse=True)[1]
    same = [bool((texts[group == number] == texts[group == number][0]).all()) for number in group.unique()]
    if sum(same) > len(same) / 2:
        what = f"In {sum(same)} of {len(same)} groups all completions are equal."
        return [finding("completions", "doubt", what)]
    return []


def kind(batch: Batch) -> list[Finding]:
    """One advantage for each completion, or one for each token."""
    if "advantages" not in batch.per_token:
        return []
    table, kept = batch.per_token["advantages"], kept_of(batch)
    if kept is None or not kept.any():
        return []
    if not table[kept].any():
        return [finding("advantage", "doubt", "Every advantage is 0: the policy term has no gradient.")]
    if per_completion(batch) is not None:
        return [finding("advantage", "note", "The advantage is one number for each completion, as in GRPO and RLOO.")]
    chosen = table[kept].double()
    what = f"The advantage differs from token to token, as with GAE: mean {chosen.mean():.3g}, std {chosen.std(correction=0):.3g}."
    return [finding("advantage", "note", what)]


def centred(batch: Batch) -> list[Finding]:
    """Advantages compare: over a group, or over the batch, they have the mean 0."""
    table, rows = per_completion(batch), taught(batch)
    if table is None or int(rows.sum()) < 4:
        return []
    values = table[rows]
    spread = values.std(correction=0)
    if spread == 0 and values[0] == 0:
        return []
    mean, kept = values.mean(), kept_of(batch)
    tokens = mean if kept is None else (table[:, None] * kept).sum() / kept.sum()  # reinforce++ whitens over tokens
    if min(mean.abs(), tokens.abs()) <= CENTRED * spread:
        return []
    group = groups(batch)
    if group is not None and bool(is_centred(table, rows, group, spread)):
        return []
    sign = ""
    if bool((values >= 0).all()) or bool((values <= 0).all()):
        sign = f" None is {'below' if values.max() > 0 else 'above'} 0."
    rewards = batch.per_row.get("rewards")
    if rewards is not None and torch.allclose(rewards.double()[rows], values, rtol=1e-4, atol=1e-6):
        sign += " They are the rewards themselves."
    level: Level = "fault" if group is not None and int(group.bincount().min()) > 1 else "doubt"
    what = f"Advantages are not centred: their mean is {mean:.3g}, their std {spread:.3g}.{sign}"
    return [finding("centred", level, what)]


def is_centred(table: Tensor, rows: Tensor, group: Tensor, spread: Tensor) -> Tensor:
    """Whether every group whose rows all teach has the mean 0."""
    counts = group.bincount()
    means = table.new_zeros(len(counts)).index_add(0, group, table) / counts
    whole = table.new_zeros(len(counts)).index_add(0, group, rows.double()) == counts
    return bool(whole.any()) & (means[whole].abs() <= CENTRED * spread).all()


def dead(batch: Batch) -> list[Finding]:
    """Groups of equal rewards teach nothing; one of nearly equal rewards must not teach as much as the others."""
    group, rewards = groups(batch), batch.per_row.get("rewards")
    if group is None or rewards is None or int(group.bincount().min()) < 2:
        return []
    rewards = rewards.double()
    count = int(group.max()) + 1
    high = rewards.new_full((count,), -torch.inf).scatter_reduce(0, group, rewards, "amax")
    low = rewards.new_full((count,), torch.inf).scatter_reduce(0, group, rewards, "amin")
    spread, scale = high - low, max(float(rewards.max() - rewards.min()), float(rewards.abs().max()))
    nearly = spread <= NEARLY * scale
    found = []
    if nearly.all():
        what = f"All {count} groups have equal rewards, {rewards.mean():.3g} on average: nothing is learned from this batch."
        found.append(finding("dead", "fault", what))
    elif nearly.any():
        level: Level = "doubt" if nearly.double().mean() > MOST_DEAD else "note"
        found.append(
            finding("dead", level, f"{int(nearly.sum())} of {count} groups have equal rewards, and teach nothing.")
        )
    return found + of_dead(batch, nearly[group], group)


def of_dead(batch: Batch, nearly: Tensor, group: Tensor) -> list[Finding]:
    """Advantages of rows whose group is dead, where they are as large as those of the others."""
    table, rows = per_completion(batch), taught(batch)
    if table is None or not (nearly & rows).any():
        return []
    counts = group.bincount()
    means = table.new_zeros(len(counts)).index_add(0, group, table) / counts
    size = (
        table - means[group]
    ).abs()  # a baseline of the batch leaves one number for the group, and compares none in it
    large = nearly & rows & (size > LARGE * size.max().clamp(min=1e-6)) & (size > 1e-3)
    if not large.any():
        return []
    level: Level = "doubt" if "ref_logprobs" in batch.per_token and batch.source not in ("", "ours") else "fault"
    what = "Rows of groups with equal rewards, or nearly equal ones, have advantages as large as the others."
    return [finding("dead_advantages", level, what, rows_named(large))]
