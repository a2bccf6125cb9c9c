"""Evaluate OpenRLHF's own functions on the cases and write values and gradients to fixtures/openrlhf-VERSION.json.

OpenRLHF needs deepspeed, flash-attn and vLLM, which want a GPU, but its formulas need none of them: empty modules stand
in for what imports them. In an environment of its own, from the repository root:

    python3.11 -m venv /tmp/oracles && /tmp/oracles/bin/pip install torch
    /tmp/oracles/bin/pip install --no-deps openrlhf==0.11.2
    /tmp/oracles/bin/pip install ray transformers==5.23.0
    cd tests && /tmp/oracles/bin/python -m oracles.record_openrlhf
"""

import importlib.util
import os
import sys
from importlib.machinery import ModuleSpec
from importlib.metadata import version
from types import ModuleType, SimpleNamespace

os.environ["TORCH_COMPILE_DISABLE"] = "1"  # compute_entropy is compiled; its formula is what is wanted, not a compiler

import torch
from torch import Tensor

from .cases import (
    BETA,
    BUFFER,
    CLIP_HIGH,
    CLIP_LOW,
    COMPLETION,
    DUAL_CLIP,
    FAR,
    GAMMA,
    GLOBAL_SEQUENCES,
    GLOBAL_TOKENS,
    GROUP,
    GSPO_HIGH,
    GSPO_LOW,
    HOLES,
    KL_COEF,
    KL_HORIZON,
    KL_TARGET,
    LAMBDA,
    ORDINARY,
    PAIRED,
    PROCESSES,
    SAMPLER_HIGH,
    SAMPLER_LOW,
    SMOOTHING,
    TEMPERATURE,
    VALUE_CLIP,
    Case,
    Row,
    evaluate_all,
    make_cases,
    save,
)


def stand_in(name: str, **content: object) -> None:
    """Register an empty module. For a package of OpenRLHF it skips its ``__init__`` but finds the files in it."""
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)
    if name.startswith("openrlhf."):
        module.__path__ = [os.path.join(PACKAGE, *name.split(".")[1:])]
    module.__dict__.update(content)
    sys.modules[name] = module


(PACKAGE,) = importlib.util.find_spec("openrlhf").submodule_search_locations
if importlib.util.find_spec("deepspeed") is None:
    stand_in("deepspeed")
stand_in("openrlhf.models")
stand_in("openrlhf.utils")
stand_in("openrlhf.trainer.ray")
stand_in("openrlhf.trainer.ray.launcher", RayActorGroup=object)

from openrlhf.models import loss, utils  # noqa: E402  (after the stand-ins)
from openrlhf.trainer.ppo_utils.experience_maker import RemoteExperienceMaker  # noqa: E402
from openrlhf.trainer.ppo_utils.kl_controller import AdaptiveKLController  # noqa: E402
from openrlhf.trainer.ppo_utils.length_penalty import apply_overlong_penalty  # noqa: E402

sys.modules["openrlhf.models"].DPOLoss = loss.DPOLoss
from openrlhf.trainer.dpo_trainer import DPOTrainer  # noqa: E402


def kept(x: Tensor, case: Case) -> Tensor:
    """What OpenRLHF leaves at masked positions is not compared: it never reads it."""
    return torch.where(case.mask, x, 0.0)


# --- log-probs, normalisers ---


def logprobs(logits: Tensor, case: Case, temperature: float = 1.0) -> Tensor:
    return utils.log_probs_from_logits(logits[:, :-1], case.tokens[:, 1:], temperature)


def aggregate(*, token_level: bool, **options: int) -> Row:
    def function(token_loss: Tensor, case: Case) -> Tensor:
        return loss.aggregate_loss(token_loss, case.mask, token_level, **options)

    return Row("token_loss", function)


def batch_logps(logprobs: Tensor, case: Case, which: int) -> Tensor:
    """0: summed, 1: averaged. Takes masks over tokens, and the length of each prompt."""
    token_mask = torch.cat([torch.zeros(len(logprobs), 1), case.mask], dim=1)
    return DPOTrainer._get_batch_logps(None, logprobs, token_mask, [0] * len(logprobs))[which]


# --- KL ---


def kl(estimator: str, **options: bool) -> Row:
    return Row("logprobs", lambda x, c: utils.compute_approx_kl(x, c.ref, kl_estimator=estimator, **options), FAR)


def kl_off_policy(logprobs: Tensor, case: Case) -> Tensor:
    return utils.compute_approx_kl(logprobs, case.ref, case.old, kl_estimator="k3", unbiased_gradient=True)


def adaptive(rewards: Tensor, case: Case) -> Tensor:
    """The coefficient after each of a series of observed KLs around the target."""
    controller = AdaptiveKLController(KL_COEF, KL_TARGET, KL_HORIZON)
    coefs = []
    for reward in rewards.detach():
        controller.update(KL_TARGET * (1 + 0.3 * float(reward)), n_steps=GROUP)
        coefs.append(controller.value)
    return torch.tensor(coefs, dtype=torch.float64)


def penalised(scores: Tensor, case: Case) -> Tensor:
    return kept(utils.compute_reward(scores.detach(), KL_COEF, case.logprobs - case.ref, case.mask), case)


# --- returns and advantages ---


def gae(values: Tensor, case: Case) -> Tensor:
    estimate = RemoteExperienceMaker.get_advantages_and_returns
    return kept(estimate(None, values, case.token_rewards, case.mask, GAMMA, LAMBDA)[0], case)


def lambda_returns(values: Tensor, case: Case) -> Tensor:
    estimate = RemoteExperienceMaker.get_advantages_and_returns
    return kept(estimate(None, values, case.token_rewards, case.mask, GAMMA, LAMBDA)[1], case)


def cumulative_returns(token_rewards: Tensor, case: Case) -> Tensor:
    return kept(RemoteExperienceMaker.get_cumulative_returns(None, token_rewards, case.mask, GAMMA), case)


def make_experience(
    estimator: str,
    rewards: Tensor,
    mask: Tensor,
    *,
    group_size: int,
    kl: Tensor | None = None,
    values: Tensor | None = None,
    clip_range: tuple[float, float] | None = None,
) -> SimpleNamespace:
    """OpenRLHF's experience maker, with as much of a trainer around it as its advantages need."""
    advantage = SimpleNamespace(estimator=estimator, gamma=1.0, lambd=LAMBDA, no_std_norm=False)
    args = SimpleNamespace(
        algo=SimpleNamespace(advantage=advantage),
        rollout=SimpleNamespace(n_samples_per_prompt=group_size),
        reward=SimpleNamespace(clip_range=clip_range, overlong_buffer_len=None, stop_properly_penalty_coef=None),
    )
    maker = object.__new__(RemoteExperienceMaker)
    maker.strategy, maker.args, maker.advantage_estimator = SimpleNamespace(args=args), args, estimator
    maker.kl_ctl = SimpleNamespace(value=0.0 if kl is None else KL_COEF)
    experience = SimpleNamespace(
        rewards=rewards.detach(),
        index=list(range(len(rewards))),
        kl=torch.zeros_like(mask, dtype=rewards.dtype) if kl is None else kl,
        action_mask=mask,
        values=values,
        info={},
    )
    return maker.compute_advantages_and_returns([experience])[0]


def group_statistics(estimator: str, rewards: Tensor, **options: tuple[float, float]) -> SimpleNamespace:
    """Completions of one token, and no KL: what is left are the advantages of a group."""
    one_token = torch.ones(len(rewards), 1, dtype=torch.bool)
    return make_experience(estimator, rewards, one_token, group_size=GROUP, **options)


def advantages(estimator: str, cases: tuple = PAIRED) -> Row:
    """Per token, with the KL in the reward: the whole way from scores."""

    def function(scores: Tensor, case: Case) -> Tensor:
        group_size = 1 if estimator in ("gae", "reinforce") else 2
        kl = case.logprobs - case.ref
        experience = make_experience(estimator, scores, case.mask, group_size=group_size, kl=kl, values=case.values)
        normalised = estimator != "rloo"  # in float32
        return kept(experience.advantages.float() if normalised else experience.advantages, case)

    return Row("scores", function, cases)


def normalize(scale: float = 1.0) -> Row:
    """Over the whole batch, as its experience maker does it in float32."""
    return Row("values", lambda x, c: utils.masked_normalize(scale * x.detach(), c.mask, dim=(0, 1)), HOLES)


# --- policy and value ---


def policy_loss(
    *,
    token_level: bool = True,
    dual_clip: float | None = None,
    output: int = 0,
    cases: tuple = ORDINARY,
    **correction: str,
) -> Row:
    """``output``: 0 the loss, 1 the clip ratio, 2 ppo_kl."""

    def function(logprobs: Tensor, case: Case) -> Tensor:
        policy = loss.PolicyLoss(CLIP_LOW, CLIP_HIGH, dual_clip, token_level, **options)
        return policy(logprobs, case.old, case.advantages, case.mask, case.sampler)[output]

    bounds = {"is_correction_threshold": (SAMPLER_LOW, SAMPLER_HIGH)} if correction else {}
    options = {f"is_correction_{key}": value for key, value in correction.items()} | bounds
    return Row("logprobs", function, cases)


def gspo(**options: str) -> Row:
    def function(logprobs: Tensor, case: Case) -> Tensor:
        policy = loss.PolicyLoss(GSPO_LOW, GSPO_HIGH, policy_loss_type="gspo", **options)
        return policy(logprobs, case.old, case.advantages[:, :1], case.mask, case.sampler)[0]

    return Row("logprobs", function, HOLES)


def gspo_ratio(logprobs: Tensor, case: Case) -> Tensor:
    """The mean of the ratios: no clip, and an advantage of -1."""
    policy = loss.PolicyLoss(1.0, 1e9, policy_loss_type="gspo")
    return policy(logprobs, case.old, -torch.ones_like(case.advantages), case.mask)[0]


def value_loss(clip: float | None) -> Row:
    return Row("values", lambda x, c: loss.ValueLoss(clip)(x, c.old_values, c.returns, c.mask), HOLES)


# --- preferences and lengths ---


def dpo(output: int = 0, **options: float) -> Row:
    """``output``: 0 the loss, 1 and 2 the implicit rewards of chosen and rejected."""
    return Row("pairs", lambda x, c: loss.DPOLoss(BETA, **options)(*x)[output])


def reward_model(kind: type, *, margin: bool = False) -> Row:
    return Row("pairs", lambda x, c: kind()(x[0], x[1], c.margins if margin else None))


def overlong(scores: Tensor, case: Case, max_length: int = COMPLETION) -> Tensor:
    experience = SimpleNamespace(rewards=scores.detach().clone(), response_length=case.lengths)
    apply_overlong_penalty([experience], max_length, BUFFER)
    return experience.rewards


ROWS = {
    "log_probs_from_logits": Row("logits", logprobs),
    "log_probs_from_logits, temperature": Row("logits", lambda x, c: logprobs(x, c, TEMPERATURE)),
    "log_probs_from_logits, bfloat16": Row("logits", lambda x, c: logprobs(x.bfloat16(), c).float(), ("ragged",)),
    "compute_entropy": Row("logits", lambda x, c: utils.compute_entropy(x[:, :-1])),
    "_get_batch_logps, sum": Row("logprobs", lambda x, c: batch_logps(x, c, 0), HOLES),
    "_get_batch_logps, mean": Row("logprobs", lambda x, c: batch_logps(x, c, 1), ("ragged", "full", "tools")),
    "masked_mean": Row("token_loss", lambda x, c: utils.masked_mean(x, c.mask)),
    "masked_normalize": normalize(),
    "masked_normalize, small": normalize(scale=1e-4),
    "aggregate_loss token": aggregate(token_level=True),
    "aggregate_loss token, global": aggregate(token_level=True, batch_num_tokens=GLOBAL_TOKENS, dp_size=PROCESSES),
    "aggregate_loss sequence": aggregate(token_level=False),
    "aggregate_loss sequence, global": aggregate(
        token_level=False, global_batch_size=GLOBAL_SEQUENCES, dp_size=PROCESSES
    ),
    "compute_approx_kl k1": kl("k1"),
    "compute_approx_kl k2": kl("k2"),
    "compute_approx_kl k3": kl("k3"),
    "compute_approx_kl k1, unbiased_gradient": kl("k1", unbiased_gradient=True),
    "compute_approx_kl k3, unbiased_gradient": kl("k3", unbiased_gradient=True),
    "compute_approx_kl k3, unbiased_gradient, older policy": Row("logprobs", kl_off_policy, FAR),
    "AdaptiveKLController": Row("rewards", adaptive, ("full",)),
    "compute_reward": Row("scores", penalised, HOLES),
    "get_advantages_and_returns": Row("values", gae, HOLES),
    "get_advantages_and_returns, returns": Row("values", lambda_returns, HOLES),
    "get_cumulative_returns": Row("token_rewards", cumulative_returns, HOLES),
    "gae advantages": advantages("gae", HOLES),
    "reinforce advantages": advantages("reinforce", HOLES),
    "reinforce_baseline advantages": advantages("reinforce_baseline"),
    "rloo advantages, KL": advantages("rloo"),
    "rloo advantages": Row("rewards", lambda x, c: group_statistics("rloo", x).advantages[:, 0]),
    "rloo advantages, clip_range": Row(
        "rewards", lambda x, c: group_statistics("rloo", x, clip_range=(-0.5, 0.5)).advantages[:, 0]
    ),
    "group_norm advantages": Row("rewards", lambda x, c: group_statistics("group_norm", x).advantages[:, 0]),
    "dr_grpo advantages": Row("rewards", lambda x, c: group_statistics("dr_grpo", x).advantages[:, 0]),
    "group_reward_std": Row("rewards", lambda x, c: group_statistics("group_norm", x).info["group_reward_std"]),
    "PolicyLoss": policy_loss(cases=FAR),
    "PolicyLoss sequence": policy_loss(token_level=False),
    "PolicyLoss clip_ratio": policy_loss(output=1),
    "PolicyLoss ppo_kl": policy_loss(output=2),
    "PolicyLoss, dual clip": policy_loss(dual_clip=DUAL_CLIP, cases=FAR),
    "PolicyLoss, is_correction token clip": policy_loss(level="token", mode="clip", cases=HOLES),
    "PolicyLoss, is_correction token mask": policy_loss(level="token", mode="mask", cases=HOLES),
    "PolicyLoss, is_correction seq mask": policy_loss(level="seq", mode="mask", cases=("ragged", "full", "tools")),
    "PolicyLoss gspo": gspo(),
    "PolicyLoss gspo, unclipped": Row("logprobs", gspo_ratio),
    "PolicyLoss gspo, is_correction": gspo(is_correction_level="token"),
    "ValueLoss": value_loss(None),
    "ValueLoss, clip_eps": value_loss(VALUE_CLIP),
    "SFTLoss": Row("logprobs", lambda x, c: loss.SFTLoss()(x, c.mask)),
    "DPOLoss": dpo(),
    "DPOLoss, label_smoothing": dpo(label_smoothing=SMOOTHING),
    "DPOLoss, ipo": dpo(ipo=True),
    "DPOLoss chosen_rewards": dpo(output=1),
    "DPOLoss rejected_rewards": dpo(output=2),
    "PairWiseLoss": reward_model(loss.PairWiseLoss),
    "PairWiseLoss, margin": reward_model(loss.PairWiseLoss, margin=True),
    "LogExpLoss": reward_model(loss.LogExpLoss),
    "LogExpLoss, margin": reward_model(loss.LogExpLoss, margin=True),
    "apply_overlong_penalty": Row("scores", overlong, HOLES),
    "apply_overlong_penalty, beyond max_new_tokens": Row(
        "scores", lambda x, c: overlong(x, c, COMPLETION - 1), ("full",)
    ),
}


def record() -> tuple[str, dict[str, dict]]:
    return version("openrlhf"), evaluate_all(ROWS, make_cases())


if __name__ == "__main__":
    number, records = record()
    print(save("openrlhf", number, records, make_cases()))
