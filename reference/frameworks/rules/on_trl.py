"""Frameworks that train with TRL's trainers, or with their own copies of them: ms-swift, axolotl and LLaMA-Factory."""

from reference.frameworks.rules.trl import clip, updates
from reference.frameworks.rules.values import ABSENT, Columns, Of, is_number


def ms_swift(of: Of, columns: Columns, entry: str) -> Columns:
    if entry == "grpo":
        return swift_grpo(of, columns)
    if entry == "ppo":
        bound = of("cliprange")
        return {
            "advantage": "gae",
            "loss": "ppo_clip",
            "critic": "separate",
            "kl": "k3" if of("kl_estimator") == "k3" else "k1",
            "kl_place": "reward",
            "clip_low": bound,
            "clip_high": bound,
        }
    return {"loss": "simpo", "average_logprobs": True} if entry == "simpo" else {}


def swift_grpo(of: Of, columns: Columns) -> Columns:
    """An estimator other than grpo brings its own division, and a KL in the reward; unless they are set to something else,
    which is not told apart here."""
    found = clip(of("epsilon"), of("epsilon_high"), of("loss_type")) | updates(of)
    estimator = of("advantage_estimator")
    if estimator != "grpo":
        found |= {"kl": "k1", "kl_place": "reward"}
    if estimator == "reinforce_plus_plus":
        found["advantage"] = "group_mean_batch_std"
    if of("loss_type") in ("fipo", "real"):
        found["loss"] = ABSENT
    if of("dynamic_sample") is True:
        found["max_rounds"] = ABSENT
    return found


def axolotl(of: Of, columns: Columns, entry: str) -> Columns:
    if entry == "rl: grpo":
        found = clip(of("trl.epsilon"), of("trl.epsilon_high"), of("trl.loss_type"))
        charged = of("trl.beta")
        if of("trl.use_bias_correction_kl") is True and is_number(charged) and charged:
            found["kl"] = "k3_unbiased"
        return found
    if entry == "rl: simpo":
        return {"loss": "simpo", "average_logprobs": True, "target_margin": of("simpo_gamma")}
    return {"loss": "kto"} if entry == "rl: kto" else {}


def llamafactory(of: Of, columns: Columns, entry: str) -> Columns:
    if entry == "dpo" and of("pref_loss") == "simpo":
        return {"target_margin": of("simpo_gamma")}
    return {}
