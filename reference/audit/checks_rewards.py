"""Checks of what is given to tokens: rewards, returns, values."""

import torch
from torch import Tensor

from reference.audit.batch import Batch
from reference.audit.checks_groups import per_completion, taught
from reference.audit.checks_logprobs import finite, kept_of
from reference.audit.compare import line
from reference.audit.ends import last_column, real
from reference.audit.finding import Finding, finding, places, rows_named
from reference.audit.regions import groups

ENOUGH = 200  # tokens that a doubt about the critic is raised on
LEAD = 0.2  # of one correlation over the other
AGAINST = (
    -0.5
)  # a correlation. Chance gives it to a handful of rows; a KL or a price in the reward does not turn the order
EXACT_LINE = 0.99  # whitening and bfloat16 leave more than 0.9999 of a correlation


def token_rewards(batch: Batch) -> list[Finding]:
    """Rewards stand on tokens in the loss, the score on the last of them, and a row's add up to its reward."""
    table, kept, there = batch.per_token.get("token_rewards"), kept_of(batch), real(batch)
    if table is None or kept is None:
        return []
    table, found = finite(table).double(), []
    given = table != 0
    if there is not None and (pads := given & ~there[:, batch.start :]).any():
        found.append(on_pads(batch, pads, there))
    inside = kept if there is None else there[:, batch.start :]
    if (others := given & inside & ~kept & kept.any(dim=1)[:, None]).any():
        what = "Rewards stand on tokens that are not in the loss, such as a tool's."
        found.append(finding("token_rewards", "doubt", what, places(others, batch.start)))
    last = torch.arange(kept.shape[1], device=kept.device) == last_column(kept)[:, None]
    early = given & kept & ~last
    if not found and given.any() and not early.any():
        found.append(finding("token_rewards", "note", "Rewards stand on the last token in the loss only."))
    elif not found and early.any():
        what = "Rewards stand on tokens before the last, as with a KL in the reward or a score per step."
        found.append(finding("token_rewards", "note", what, places(early, batch.start)))
    return found + sums(batch, table, kept)


def on_pads(batch: Batch, pads: Tensor, there: Tensor) -> Finding:
    """A reward on padding is lost, unless everything behind it knows. Exactly behind the last token it is N+'s habit."""
    columns = torch.arange(pads.shape[1], device=pads.device) + batch.start
    behind = columns == last_column(there)[:, None] + 1
    if bool((pads & ~behind).any()):
        return finding("token_rewards", "fault", "Rewards stand on padding.", places(pads, batch.start))
    what = "The reward stands one token behind the last real one: returns that stop at the mask never see it."
    return finding("token_rewards", "doubt", what, places(pads, batch.start))


def sums(batch: Batch, table: Tensor, kept: Tensor) -> list[Finding]:
    rewards = batch.per_row.get("rewards")
    rows = kept.any(dim=1)
    if rewards is None or not rows.any():
        return []
    off = ((table.sum(dim=1) - rewards.double()).abs() > 1e-3 * rewards.double().abs().clamp(min=1.0)) & rows
    what = "The rewards of a row's tokens do not add up to the row's reward."
    return [finding("token_rewards", "doubt", what, rows_named(off))] if off.any() else []


def returns(batch: Batch) -> list[Finding]:
    """Returns less values are the advantages before whitening, so that the two lie on a line."""
    tables = [batch.per_token.get(name) for name in ("advantages", "returns", "values")]
    kept = kept_of(batch)
    if kept is None or any(table is None for table in tables):
        return []
    advantages, target, value = (table[kept].double() for table in tables if table is not None)
    if not bool((advantages.isfinite() & target.isfinite() & value.isfinite()).all()):
        return []
    slope, correlation = line(target - value, advantages)
    if correlation != correlation:
        return []
    if correlation > 0.999:
        scaled = " before whitening" if abs(slope - 1) > 1e-3 else ""
        return [finding("returns", "note", f"Returns are values plus advantages{scaled}.")]
    what = f"Returns less values are not the advantages, whitened or not: their correlation is {correlation:.2f}."
    return [finding("returns", "fault" if correlation < EXACT_LINE else "doubt", what)]


def values_at_action(batch: Batch) -> list[Finding]:
    """Whether V changes with the token that it stands at, in the place of the one before.

    V(s_t) stands at token t and has not seen it, so it differs from V(s_t-1) by what token t-1 told. A token that was sure
    told nothing. So the size of the change goes with how unlikely the previous token was; if it goes with the token's own,
    V has seen it.
    """
    value, old, kept = batch.per_token.get("values"), batch.per_token.get("old_logprobs"), kept_of(batch)
    old = batch.per_token.get("logprobs") if old is None else old
    if value is None or old is None or kept is None:
        return []
    both = kept[:, 1:] & kept[:, :-1]
    if int(both.sum()) < ENOUGH:
        return []
    value, old = finite(value).double(), finite(old).double()
    change = (value[:, 1:] - value[:, :-1]).abs()[both]
    _, own = line(-old[:, 1:][both], change)
    _, previous = line(-old[:, :-1][both], change)
    if own != own or previous != previous or own - previous < LEAD:
        return []
    what = (
        f"The values change with the token that they stand at (correlation {own:.2f} with how unlikely it was) more than with "
        f"the one before it ({previous:.2f}): they may have been read at the action."
    )
    return [finding("values_at_action", "doubt", what)]


def sign(batch: Batch) -> list[Finding]:
    """Within a group the better completion has the larger advantage. A clear line the other way is a minus sign too many."""
    group, table = groups(batch), per_completion(batch)
    if group is None or table is None:
        return []
    rewards, rows = batch.per_row["rewards"].double(), taught(batch)
    advantage, reward = (within(x, group)[rows] for x in (table, rewards))
    size = advantage.norm() * reward.norm()
    if size == 0 or float(advantage @ reward / size) > AGAINST:
        return []
    turned = rows & (within(table, group) * within(rewards, group) < 0)
    what = "Better completions have the lower advantages: training makes the right answers less likely."
    return [finding("sign", "fault", what, rows_named(turned))]


def within(x: Tensor, group: Tensor) -> Tensor:
    """(rows,) less the mean of the row's group."""
    counts = group.bincount()
    return x - (x.new_zeros(len(counts)).index_add(0, group, x) / counts)[group]
