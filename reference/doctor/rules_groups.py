"""Rules about rewards and advantages within groups: what they are for every reward, by arithmetic."""

from itertools import pairwise
from math import sqrt

from reference.doctor.cause import Cause, Evidence, excess
from reference.doctor.log import Log
from reference.doctor.reading import few, span, those, together, typical, values

CENTRED = (
    0.3  # of the std. Within groups the mean over completions is 0. Over tokens it is at most half of the std times
)
# the relative difference in length between right and wrong completions: 0.3 asks for a difference of 60 %
SAME = 0.2  # of the steps. Numbers that are no counts, and move by a percent, are the same to 1e-4 in a hundredth
WHITENED = 0.02  # from 1: (n - 1) / n from 50 completions on
PAIR = 0.01  # share by which a number may differ from what a group of two gives exactly


def always_dead(log: Log) -> Evidence | None:
    """Every group of every step is dead, so that no reward teaches. A run that learned began with other groups."""
    rows = together(log, "reward", "dead_groups")
    rewards = [reward for _, reward, _ in rows]
    if len(rows) < 3 or any(dead < 1 for _, _, dead in rows) or max(rewards) - min(rewards) > 0:
        return None
    words = f"Every group of every step is dead, and the reward is {rewards[0]:.3g} in all {len(rows)} steps."
    return Evidence(words, ("reward", "dead_groups", "grad_norm"), span(rows), 0.999, "identity")


def not_centred(log: Log) -> Evidence | None:
    """A critic's advantages, and those that a teacher gives, are not centred by themselves."""
    if not {"value_loss", "explained_variance", "teacher_kl"}.isdisjoint(log.scalars):
        return None
    rows = [(step, abs(mean) / std) for step, mean, std in together(log, "advantage_mean", "advantage_std") if std > 0]
    off = those(rows, lambda share: share > CENTRED)
    if few(len(off), len(rows)) or 2 * len(off) < len(rows):
        return None
    share = typical([each for _, each in off])
    words = (
        f"The mean advantage is {typical(values(log, 'advantage_mean')):.3g} in the median step, {share:.2g} times its std. "
        "What is compared with its group has a mean of 0."
    )
    return Evidence(
        words, ("advantage_mean", "advantage_std", "entropy"), span(off), excess(share, CENTRED), "identity"
    )


def squares(log: Log) -> list[tuple[float, float, float]]:
    """(step, share of groups that are alive, mean squared advantage about its mean)."""
    return [(step, 1 - dead, std * std) for step, dead, std in together(log, "dead_groups", "advantage_std")]


def dead_groups_teach(log: Log) -> Evidence | None:
    """Divided by its own std, a mixed group has a mean square of 1 (or (G - 1) / G) whatever its rewards, and a dead group
    has advantages of 0: the square of advantage_std is at most the share of groups that are alive.

    One std for the whole batch has no such bound: see ``counts_groups``. Where another reward than the verifier's
    teaches, other groups are dead than the log says.
    """
    if not {"proxy", "earned", "value_loss", "teacher_kl"}.isdisjoint(log.scalars):
        return None
    rows = squares(log)
    if not counts_groups([square for _, _, square in rows]):
        return None
    over = [(step, square, alive) for step, alive, square in rows if square > 1.02 * alive + 0.01]
    if few(len(over), len(rows)):
        return None
    step, square, alive = max(over, key=lambda row: row[1] - row[2])
    words = (
        f"At step {step:g} the mean square of the advantages is {square:.2g}, and only {alive:.2g} of the groups are alive: "
        "it cannot be larger than this share, unless dead groups have advantages. So it is in "
        f"{len(over)} of {len(rows)} steps."
    )
    size = excess(typical([square / max(alive, 0.01) for _, square, alive in over]), 1)
    return Evidence(words, ("advantage_std", "dead_groups", "length"), span(over), size, "identity")


def counts_groups(squares: list[float]) -> bool:
    """Whether the mean square comes from groups that are each divided by their own std: it is a count of groups times one
    number, so that it is often the same in two steps that follow each other. A std of the batch never is, and whitening
    makes it 1, or (n - 1) / n, in every step."""
    same = [abs(after - before) < 1e-4 * before for before, after in pairwise(squares)]
    return sum(same) > SAME * len(same) and any(abs(square - 1) > WHITENED for square in squares)


def pairs(log: Log) -> Evidence | None:
    """Of two rewards, 0 and 1, the std is sqrt(1/2) (with n: 1/2). Larger groups are between sqrt((G-1)/G)/2 and that."""
    rows = [(step, std / (1 - dead)) for step, dead, std in together(log, "dead_groups", "reward_std") if dead < 1]
    if few(len(rows), len(log.steps)):
        return None
    of_two = those(rows, lambda std: abs(std / sqrt(0.5) - 1) < PAIR)
    dead = typical(values(log, "dead_groups"))
    if len(of_two) < 0.9 * len(rows):
        return None
    words = (
        f"reward_std over the share of living groups is {typical([std for _, std in of_two]):.4g} in {len(of_two)} of "
        f"{len(rows)} steps: that is sqrt(1/2), the std of one right completion and one wrong. Of the groups {dead:.0%} are "
        "dead in the median step, and teach nothing."
    )
    return Evidence(words, ("dead_groups", "reward_std", "advantage_std"), span(of_two), excess(dead, 0.25), "bound")


CAUSES = (
    Cause(
        "nothing_is_right", "No completion is ever told apart from another: the verifier or the answers are broken.",
        "Print ten completions with their gold answers and what the verifier extracts from each. Then a hand-written right "
        "completion: it must get 1.",
        5, ("verifier_broken",), ("reward", "dead_groups"), always_dead,
        apart="A problem set that the model cannot solve at all looks the same: look at the completions.",
    ),
    Cause(
        "advantages_not_centred", "The advantages are not compared with anything: their mean is not 0.",
        "Subtract the group's mean (or the batch's, or a critic's value) from the reward before the loss.",
        5, ("advantages_not_centred",), ("advantage_mean", "advantage_std"), not_centred,
        apart='In a batch: audit, checks "kind of advantage" and "centred advantages".',
    ),
    Cause(
        "dead_groups_teach", "Groups whose completions are all right, or all wrong, have advantages that are not 0.",
        "Look at the rewards of such a group with all digits: something tiny, such as a tie-break or a length term, is "
        "divided by its own std. Add eps to the std, or set the advantages of these groups to 0.",
        5, ("std_of_dead_groups",), ("dead_groups", "advantage_std"), dead_groups_teach,
        apart='In a batch: audit, check "dead groups" says which of them have advantages.',
    ),
    Cause(
        "group_of_two", "A group has two completions, so most groups are dead and every other one weighs the same.",
        "Raise the group size to 8 and lower the prompts per step, with the same number of samples.",
        5, ("group_of_two",), ("dead_groups", "reward_std"), pairs,
    ),
)  # fmt: skip
