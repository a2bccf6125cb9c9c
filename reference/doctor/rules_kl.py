"""Rules about the KL to the reference: where it starts, where it goes, and what it costs."""

from reference.doctor.cause import Cause, Evidence, excess
from reference.doctor.log import Log
from reference.doctor.reading import few, first_part, last_part, points, span, together, typical

RESET = (
    1e-3  # of the steps before it. A KL of one batch differs from the next by a factor of two or three, not by 1,000
)
CROSSED = 1e-6  # the same where the KL has a sign, as k1 has: by chance one step in a thousand comes within RESET of 0
STARTED = 1e-3  # nats per token. Where policy and reference are one model it is 0; two engines differ by less
KL = "kl_k3|kl_k1|kl_ref|kl_ref_in_reward"  # whichever the log has, the first of them


def kl_name(log: Log) -> str:
    return next((name for name in KL.split("|") if name in log.scalars), "kl_k3")


def reset(log: Log) -> Evidence | None:
    """The KL to a reference that stays moves with the policy. It is 0 again only where the reference is the policy."""
    name = kl_name(log)
    found = points(log, name)
    limit = CROSSED if any(kl < -STARTED * RESET for _, kl in found) else RESET
    falls = []
    for place in range(3, len(found)):
        before = typical([abs(kl) for _, kl in found[place - 3 : place]])
        if before > STARTED and abs(found[place][1]) < limit * before:
            falls.append((found[place][0], before, found[place][1]))
    if not falls:
        return None
    step, before, after = falls[0]
    words = (
        f"The KL to the reference falls from {before:.3g} to {after:.2g} nats per token at step {step:g}"
        + (f", and so at {len(falls) - 1} later steps" if len(falls) > 1 else "")
        + "."
    )
    return Evidence(words, (name, "reward", "approx_kl"), span(falls), 0.95, "identity")


def other_reference(log: Log) -> Evidence | None:
    name = kl_name(log)
    found = points(log, name)
    step, kl = found[0]
    if step > 1 or abs(kl) < STARTED or abs(kl) < 0.2 * typical(last_part([(s, abs(v)) for s, v in found])):
        return None
    words = f"The KL to the reference is {kl:.3g} nats per token at step {step:g}, before any update."
    return Evidence(words, (name,), (step, step), excess(abs(kl), STARTED), "identity")


def price_not_felt(log: Log) -> Evidence | None:
    """A policy that pays for its KL stops where the next nat costs more than it earns. So what it pays in all is at most
    what it has gained: kl_coef x KL of a completion <= reward gained, in units of the advantage. Divided by the group's
    std a reward of 0 or 1 counts at most 1 / reward_std as much. Where something else than the reward teaches, what was
    gained is in the judge's units, whose std no log has: nothing is said."""
    name = kl_name(log)
    rows = together(log, "kl_coef", name, "length", "reward", "reward_std")
    if len(rows) < 3 or not {"proxy", "earned"}.isdisjoint(log.scalars):
        return None
    start = typical([row[4] for row in rows[:3]])
    spread = max(0.1, typical([row[5] for row in rows if row[5] > 0] or [1.0]))
    over = []
    for place, (step, coef, kl, length, _, _) in enumerate(rows):
        recent = typical([row[4] for row in rows[max(0, place - 4) : place + 1]])
        paid, gained = coef * kl * length, max(0.05, recent - start) / spread
        if paid > gained:
            over.append((step, paid, gained))
    late = [row for row in over if row[0] >= rows[len(rows) // 2][0]]
    if few(len(over), len(rows)) or 2 * len(late) < len(rows) - len(rows) // 2:
        return None
    step, paid, gained = over[-1]
    words = (
        f"At step {step:g} the policy pays kl_coef x KL x length = {paid:.2g} for a gain of {gained:.2g} in the reward, in "
        "units of its std. A policy that feels this price turns back."
    )
    size = excess(typical([p / g for _, p, g in late]), 1)
    return Evidence(words, (name, "kl_coef", "reward", "length"), span(over), size, "bound")


def kl_of_start(log: Log) -> list[float]:
    return first_part(points(log, kl_name(log)))


CAUSES = (
    Cause(
        "reference_replaced", "The reference was replaced by the policy while it trained.",
        "Find what writes the reference: sync_ref_model, ref_sync_every, a resumed run that loads the newest checkpoint as "
        "reference. A reference that follows is a choice of its own: then the KL says nothing about the start.",
        7, ("reference_replaced",), (KL,), reset, about=KL,
    ),
    Cause(
        "reference_is_another", "The reference is not the model that the run starts from.",
        "Load both from the same folder, with dropout off and in the same precision: the first KL must be 0.",
        7, (), (KL,), other_reference, about=KL,
    ),
    Cause(
        "kl_not_felt", "The KL is charged and does not hold the policy back.",
        "Ask which estimator is in the loss: the expected gradient of k1 is 0 there. Put k3 or k2 into the loss, or k1 into "
        "the reward.",
        2, ("k1_in_loss",), (KL, "kl_coef", "length", "reward", "reward_std"), price_not_felt, about=KL,
        apart="A learning rate that destroys the policy raises the KL too, and shows in approx_kl from the first steps.",
    ),
)  # fmt: skip
