"""On-policy distillation: which recipes ask a teacher, and what does not go together with one.

A teacher is a second model, frozen, that says how likely each token of a completion is. It comes in at one of two places:

    loss "jsd"             its whole distribution at each prefix: an exact divergence, ``generalised_jsd``
    advantage "teacher"    its log-prob of the sampled token alone: ``distillation_rewards``, under any policy loss

The verifier goes on judging beside it, and teaches nothing. The log has ``teacher_kl``, the KL(policy || teacher) in nats per
token: exact at each prefix with the loss, and from the sampled tokens, before any update, with the advantage.
"""

from reference.algorithms.advantages import advantage_of
from reference.algorithms.losses import loss_of
from reference.algorithms.recipes import Recipe

TRAIN_ONE = "python -m reference train sft --out runs/teacher trains one"


def asks_teacher(r: Recipe) -> bool:
    """Whether the loss or the advantage reads a teacher. A function of your own may; it has one if the recipe names one."""
    if r.kind != "rl":
        return False
    readers = [(r.loss, loss_of(r).reads_teacher)]
    if loss_of(r).reads_advantage:
        readers.append((r.advantage, advantage_of(r).reads_teacher))
    return any(reads and (not callable(choice) or r.teacher is not None) for choice, reads in readers)


def asks_about_samples(r: Recipe) -> bool:
    """Whether the advantage reads the teacher's log-probs of the sampled tokens."""
    return r.teacher is not None and loss_of(r).reads_advantage and advantage_of(r).reads_teacher


def reads_reward(r: Recipe) -> bool:
    """Whether what a completion earns changes the loss."""
    return loss_of(r).reads_advantage and advantage_of(r).reads_reward


def teacher_conflicts(r: Recipe) -> list[tuple[bool, str]]:
    """Choices that do not go together with a teacher, or without one: whether it is so, and what to say."""
    without_reward = not reads_reward(r)
    return [
        (asks_teacher(r) and r.teacher is None,
         f"{r.name} learns from a teacher, and none is named: name the run of a better model with --teacher ({TRAIN_ONE})"),
        (isinstance(r.teacher, str) and asks_teacher(r),
         f"teacher is {r.teacher}, which only the command line loads: pass the model, from load_teacher(name, tokenizer) of "
         "reference.algorithms.teacher"),
        (without_reward and r.critic is not None,
         f"critic is {r.critic!r}, and loss is {r.loss!r}, which reads no advantage: choose critic none and vf_coef 0"),
        (without_reward and r.kl_place == "reward" and bool(r.kl_coef),
         f"kl_place is 'reward', and the teacher teaches without one (loss {r.loss!r}, advantage {r.advantage!r}): set it to "
         "'loss'"),
        (without_reward and r.overlong == "penalty",
         f"overlong is 'penalty', which is taken off the reward, and the teacher teaches without one (loss {r.loss!r}, "
         f"advantage {r.advantage!r}): set it to 'score' or 'mask'"),
        (r.on_policy < 1 and r.task == "tools",
         f"on_policy is {r.on_policy}, and task is 'tools', whose ready-made trajectories the recipes sft and tool-sft read: set "
         "it to 1"),
        (r.on_policy < 1 and r.kl_target is not None,
         f"kl_target is {r.kl_target}, which is steered by the KL of samples, and on_policy is {r.on_policy}: set it to 1, or "
         "kl_target to none"),
    ]  # fmt: skip
