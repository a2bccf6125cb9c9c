"""Rules about the size of a step: how far an update moves the policy, and how long the gradient is."""

from reference.doctor.cause import Cause, Evidence, excess
from reference.doctor.changes import noise, trend
from reference.doctor.log import Log
from reference.doctor.reading import first_part, last_part, points, span, those, typical, values

FAR = 0.015  # nats per token between the policies before and after the updates of a step
STILL = 1e-10  # nats per token: what float32 makes of two equal policies is 1e-13, and the smallest step in use 1e-6
CLIP = 1.0  # max_grad_norm of our loops, and the default of most frameworks (docs/FRAMEWORKS.md has them)
GONE = 0.09  # of the entropy of the beginning. Between our runs of twice the length of a recipe and a bonus of the wrong sign
MOVED = 0.01  # chance that a scalar of a policy that stands still looks like a trend


def too_far(log: Log) -> Evidence | None:
    """Large steps alone are a choice. A reward that falls while they are taken is not."""
    rewards = points(log, "reward")
    if len(rewards) < 5:
        return None
    before, after = typical([value for _, value in rewards[:2]]), typical(last_part(rewards))
    if after > before - 2 * noise(values(log, "reward")):
        return None
    return by_steps(log, before, after) if has_steps(log) else by_ruin(log, before, after)


def has_steps(log: Log) -> bool:
    return "approx_kl" in log.scalars


def by_steps(log: Log, before: float, after: float) -> Evidence | None:
    found = points(log, "approx_kl")
    beginning = typical(first_part(found, 0.1))
    if beginning < FAR:
        return None
    words = (
        f"One step moves the policy by {beginning:.3g} nats per token at the beginning, in the median, and the reward falls "
        f"from {before:.3g} to {after:.3g}."
    )
    far = those(found, lambda kl: kl > FAR)
    return Evidence(words, ("approx_kl", "reward", "entropy", "clip_frac"), span(far), excess(beginning, FAR / 4))


def by_ruin(log: Log, before: float, after: float) -> Evidence | None:
    """Without approx_kl: half of the reward is lost, and the entropy, which falls in a run that learns, rises."""
    entropy = points(log, "entropy")
    if len(entropy) < 5 or after > 0.5 * before:
        return None
    first, last = typical(first_part(entropy, 0.1)), typical(last_part(entropy))
    if last < 1.5 * first:
        return None
    words = (
        f"The reward falls from {before:.3g} to {after:.3g}, and the entropy rises from {first:.3g} to {last:.3g} nats per "
        "token. How far a step moves the policy is not in the log."
    )
    return Evidence(words, ("reward", "entropy", "grad_norm"), span(entropy), excess(last, 1.5 * first / 2))


def taught(log: Log) -> str:
    """What teaches: a judge's reward, or a shaped one, where the log has it beside the verifier's."""
    return next(name for name in ("proxy", "earned", "reward") if name in log.scalars)


def wrong_way(log: Log) -> Evidence | None:
    """Small steps up the gradient of a reward make it larger. They made it smaller: by what it fell, over the noise."""
    name = taught(log)
    rewards, steps = points(log, name), points(log, "approx_kl")
    if len(rewards) < 5 or typical(first_part(steps, 0.1)) > FAR:
        return None
    before, after = typical([value for _, value in rewards[:2]]), typical(last_part(rewards))
    rho, chance = trend(values(log, name))
    fall, limit = before - after, max(3 * noise(values(log, name)), 0.25 * abs(before))
    if rho > 0 or chance > MOVED or fall < limit:
        return None
    words = (
        f"{name} falls from {before:.3g} to {after:.3g}, in steps of {typical(first_part(steps, 0.1)):.2g} nats per token at "
        "first, which are none too large."
    )
    return Evidence(words, (name, "approx_kl", "entropy"), span(rewards), excess(fall, limit / 2), "bound")


def nothing_moves(log: Log) -> Evidence | None:
    """Between equal policies approx_kl is 0. With one update per sample it always is: then something else must move."""
    found = points(log, "approx_kl")
    if any(kl > STILL for _, kl in found) or not any(norm > 0 for norm in values(log, "grad_norm")):
        return None
    moving = [name for name in ("kl_k3", "kl_k1") if any(abs(kl) > 1e-6 for kl in values(log, name))]
    moving += [name for name in ("entropy", "reward", "length") if trend(values(log, name))[1] < MOVED]
    if moving:
        return None
    words = (
        f"approx_kl is 0 in all {len(found)} steps, entropy, reward and length have no trend, and grad_norm is "
        f"{typical(values(log, 'grad_norm')):.2g}: there are gradients and no updates."
    )
    return Evidence(words, ("approx_kl", "grad_norm", "entropy"), span(found), 0.99, "identity")


def always_clipped(log: Log) -> Evidence | None:
    """Where the gradient is above the clip in every step, its length says nothing any more, and the step is the clip's.

    Not asked of TRL: it divides by counts of the whole batch itself, and its RLOO adds up the tokens of a completion.
    """
    found = points(log, "grad_norm")
    long = those(found, lambda norm: norm > CLIP)
    if len(found) < 5 or len(long) < 0.9 * len(found) or log.framework == "trl":
        return None
    norm = typical([value for _, value in long])
    words = (
        f"grad_norm is above {CLIP:g}, the usual clip, in {len(long)} of {len(found)} steps, {norm:.3g} in the median: the "
        "clip decides the length of every step."
    )
    return Evidence(words, ("grad_norm", "approx_kl"), span(long), excess(norm, CLIP))


def errors_left(log: Log) -> float:
    """Wrong completions at the end over those at the beginning; 1 where the reward is no share of right ones."""
    wrong = [(step, 1 - reward) for step, reward in points(log, "reward")]
    if len(wrong) < 3 or not all(0 <= share <= 1 for _, share in wrong) or wrong[0][1] == 0:
        return 1.0
    return typical(last_part(wrong)) / max(share for _, share in wrong[:3])


def entropy_driven(log: Log) -> Evidence | None:
    """Entropy falls in every run that learns, about as the share of wrong completions does: a policy that is right has less
    to choose from. Below a tenth of what it was, and further than the errors fell, something else drives it."""
    found = points(log, "entropy")
    before, after = max(value for _, value in found[:3]), typical(last_part(found))
    if len(found) < 8 or before <= 0 or after > min(GONE, errors_left(log)) * before:
        return None
    words = f"The entropy falls from {before:.3g} to {after:.2g} nats per token, to {after / before:.1%} of what it was"
    if dead := values(log, "dead_groups"):
        words += f"; {typical(dead[-3:]):.0%} of the groups are dead at the end"
    gone = those(found, lambda value: value < GONE * before)
    return Evidence(
        f"{words}.", ("entropy", "dead_groups", "reward"), span(gone), excess(before / max(after, 1e-9), 1 / GONE)
    )


CAUSES = (
    Cause(
        "steps_too_large", "The steps are too large: the learning rate is too high.",
        "Divide the learning rate by 5 to 10. If it was right before, look for fewer prompts per step, or for another "
        "optimizer.",
        4, ("lr_too_high",), ("reward", "approx_kl|entropy"), too_far,
    ),
    Cause(
        "wrong_way", "Training makes what it is paid for smaller: a sign is wrong.",
        "Follow one completion with a reward above its group's mean: its advantage must be positive, and one step must "
        "make it more likely.",
        5, ("advantage_sign",), ("reward", "approx_kl"), wrong_way,
        apart="In a batch: look whether advantages rise with rewards. A judge that is not in the log may be what it is paid for.",
    ),
    Cause(
        "nothing_moves", "There are gradients, and the weights do not move.",
        "Look at the learning rate of the first steps and at its unit, then compare one weight before and after a step: "
        "frozen parameters, an optimizer over a copy, or a sampler that never gets the new weights.",
        4, ("weights_frozen",), ("approx_kl", "grad_norm"), nothing_moves,
    ),
    Cause(
        "gradient_too_long", "The gradient is longer than the clip in every step: the loss is not divided by what it should be.",
        "Take one batch in one micro-batch, then in eight: the two gradients must be equal. Divide by the tokens (or rows) "
        "of the whole batch, and not of the micro-batch.",
        6, ("micro_batch_count",), ("grad_norm",), always_clipped,
        apart='In a batch: audit, check "normaliser" compares it with the sum of the mask. A loss that is a sum on purpose '
        "looks the same.",
    ),
    Cause(
        "entropy_collapsed", "The entropy is almost gone, faster than learning alone takes it.",
        "Ask for the sign of the entropy bonus: it is subtracted from a loss that is minimised. Without a bonus, lower the "
        "learning rate or raise the upper clip. Where greedy answers are better than sampled ones, the reward rises all the "
        "same, and pass@k falls.",
        11, ("entropy_sign",), ("entropy",), entropy_driven,
    ),
)  # fmt: skip
