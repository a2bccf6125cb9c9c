"""AReaL: an advantage by two blocks that may be absent, one of rewards and one of tokens."""

from typing import Any

from reference.frameworks.rules.values import ABSENT, Columns, Of

NORM, TOKENS = "actor.reward_norm", "actor.adv_norm"
# (mean_level, std_level, mean_leave1out) -> ours
OF_REWARDS = {
    ("group", "group", False): "group", ("group", None, False): "group_mean", ("group", None, True): "leave_one_out",
    ("group", "batch", False): "group_mean_batch_std",
}  # fmt: skip
# The same, then whitened over the tokens of the batch. None: without the block of rewards.
WHITENED = {None: "reinforce_plus_plus", "group_mean": "reinforce_plus_plus_baseline", "group": "group_whitened"}


def areal(of: Of, columns: Columns, entry: str) -> Columns:
    """A block that is there has an eps."""
    if entry != "PPOTrainer":
        return {}
    critic = of("critic.eps_clip") is not None
    found: Columns = {"advantage": advantage(of, critic), "critic": "separate" if critic else None}
    if found["advantage"] not in ("group", "group_mean_batch_std"):
        found |= {"ddof": ABSENT, "eps": ABSENT}
    if of("actor.eps_clip_higher") is None:
        found["clip_high"] = of("actor.eps_clip")
    if critic:
        found |= {"value_clip": of("critic.eps_clip"), "critic_lr": of("critic.optimizer.lr")}
    if of("actor.overlong_reward_penalty") is True:
        found["overlong"] = "penalty"
    return found


def advantage(of: Of, critic: bool) -> Any:
    """Always GAE; without a critic it is the return, less what the two blocks take off."""
    rewards = of_rewards(of) if of(f"{NORM}.eps") is not None else None
    tokens = of(f"{TOKENS}.eps") is not None
    if critic:
        return "gae" if rewards is None else ABSENT
    if tokens and of(f"{TOKENS}.mean_level") == of(f"{TOKENS}.std_level") == "batch":
        return WHITENED.get(rewards, ABSENT)
    return ABSENT if tokens or rewards is None else rewards


def of_rewards(of: Of) -> Any:
    """Groups are those of group_size, which must be as many as are sampled."""
    if of(f"{NORM}.group_size") != of("gconfig.n_samples"):
        return ABSENT
    levels = of(f"{NORM}.mean_level"), of(f"{NORM}.std_level"), of(f"{NORM}.mean_leave1out") is True
    return OF_REWARDS.get(levels, ABSENT)
