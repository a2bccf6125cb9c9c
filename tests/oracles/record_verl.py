"""Evaluate verl's own functions on the cases and write values and gradients to fixtures/verl-VERSION.json.

In an environment of its own, without verl's dependencies (it wants transformers<5.11), from the repository root:

    python3.11 -m venv /tmp/oracles && /tmp/oracles/bin/pip install torch
    /tmp/oracles/bin/pip install --no-deps verl==0.9.1
    /tmp/oracles/bin/pip install ray tensordict==0.10.0 omegaconf codetiming dill pandas transformers==5.23.0
    cd tests && /tmp/oracles/bin/python -m oracles.record_verl
"""

import ast
import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import torch
import verl
from tensordict import TensorDict
from torch import Tensor
from verl import DataProto
from verl.trainer.ppo import core_algos, metric_utils, rollout_corr_helper
from verl.utils import torch_functional as verl_F
from verl.utils.experimental.torch_functional import FusedLinearForPPO
from verl.utils.metric import AggregationType, Metric
from verl.workers.config import ActorConfig
from verl.workers.reward_manager.dapo import DAPORewardManager

from .cases import (
    BUDGET,
    BUFFER,
    CLIP_HIGH,
    CLIP_LOW,
    COMPLETION,
    DUAL_CLIP,
    ENTROPY_COEF,
    EOS,
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
    PROMPT,
    SAMPLER_HIGH,
    SAMPLER_LOW,
    TEMPERATURE,
    VALUE_CLIP,
    VOCAB,
    Case,
    Row,
    evaluate_all,
    make_cases,
    save,
)

NO_CLIP = 1e9  # verl cannot switch the dual clip off, only out of reach


def kept(x: Tensor, case: Case) -> Tensor:
    """What verl leaves at masked positions is not compared: it never reads it."""
    return torch.where(case.mask, x, 0.0)


def alone(module: str, name: str, **needs: object) -> Callable:
    """One function of a module of verl that imports a whole cluster, with what this function needs."""
    source = Path(importlib.util.find_spec(module).origin).read_text()
    (function,) = (x for x in ast.parse(source).body if isinstance(x, ast.FunctionDef) and x.name == name)
    home = ModuleType(name)
    home.__dict__.update(needs)
    exec(compile(ast.Module([function], []), module, "exec"), home.__dict__)
    return getattr(home, name)


apply_kl_penalty = alone(
    "verl.trainer.ppo.ray_trainer",
    "apply_kl_penalty",
    core_algos=core_algos,
    masked_mean=verl_F.masked_mean,
    torch=torch,
    DataProto=DataProto,
)
ppo_loss = alone(
    "verl.workers.utils.losses",
    "ppo_loss",
    **vars(core_algos),
    TensorDict=TensorDict,
    AggregationType=AggregationType,
    Metric=Metric,
    no_padding_2_padding=lambda x, data: x,
)


class Batch(dict):
    """As much of a TensorDict as `ppo_loss` asks for, padded already."""

    def select(self, *fields: str) -> "Batch":
        return self

    def to_padded_tensor(self) -> "Batch":
        return self


# --- log-probs, masks, normalisers ---


def logprobs(logits: Tensor, case: Case, temperature: float = 1.0) -> Tensor:
    return verl_F.logprobs_from_logits(logits[:, :-1] / temperature, case.tokens[:, 1:])


def fused_logprobs(hidden: Tensor, case: Case) -> Tensor:
    lm_head = case.logits[0, :VOCAB]  # any (vocab, width) matrix will do, the logits serve as hidden states
    logprobs, _ = FusedLinearForPPO(chunk_size=3)(hidden[:, :-1], lm_head, case.tokens[:, 1:], TEMPERATURE)
    return logprobs


def agg_loss(mode: str, **options: int) -> Row:
    def function(token_loss: Tensor, case: Case) -> Tensor:
        return core_algos.agg_loss(token_loss, case.mask.long(), mode, **options)

    return Row("token_loss", function)


# --- KL ---


def kl(estimator: str) -> Row:
    return Row("logprobs", lambda x, c: core_algos.kl_penalty(x, c.ref, estimator), FAR)


def moved(logprobs: Tensor, case: Case) -> Tensor:
    """KL(old || new) on samples from old, by verl's own k3 and mean."""
    return verl_F.masked_mean(core_algos.kl_penalty(case.old, logprobs.detach(), "low_var_kl"), case.mask)


def adaptive(rewards: Tensor, case: Case) -> Tensor:
    """The coefficient after each of a series of observed KLs around the target."""
    controller = core_algos.AdaptiveKLController(KL_COEF, KL_TARGET, KL_HORIZON)
    coefs = []
    for reward in rewards.detach():
        controller.update(KL_TARGET * (1 + 0.3 * float(reward)), n_steps=GROUP)
        coefs.append(controller.value)
    return torch.tensor(coefs, dtype=torch.float64)


def on_last_token(scores: Tensor, case: Case) -> Tensor:
    """One reward per completion where verl's reward managers put it: on the last token that is no padding."""
    return torch.zeros_like(case.values).scatter(1, PROMPT - 2 + case.lengths[:, None], scores.detach()[:, None])


def penalised(scores: Tensor, case: Case) -> tuple[Tensor, dict]:
    batch = {
        "response_mask": case.mask.long(),
        "token_level_scores": on_last_token(scores, case),
        "old_log_probs": case.logprobs,
        "ref_log_prob": case.ref,
    }
    data, metrics = apply_kl_penalty(DataProto.from_single_dict(batch), core_algos.FixedKLController(KL_COEF), "kl")
    return data.batch["token_level_rewards"], metrics


# --- returns and advantages ---


def gae(values: Tensor, case: Case, lam: float = LAMBDA) -> tuple[Tensor, Tensor]:
    advantages, returns = core_algos.compute_gae_advantage_return(
        case.token_rewards, values.detach(), case.mask.long(), GAMMA, lam
    )
    return kept(advantages, case), kept(returns - values.detach(), case)


def reinforce_plus_plus(token_rewards: Tensor, case: Case) -> tuple[Tensor, Tensor]:
    advantages, returns = core_algos.compute_reinforce_plus_plus_outcome_advantage(
        token_rewards.detach(), case.mask.long(), SimpleNamespace(gamma=GAMMA)
    )
    return advantages, returns


def reinforce_plus_plus_baseline(scores: Tensor, case: Case) -> Tensor:
    prompt = np.arange(len(scores)) // 2
    rewards = on_last_token(scores, case)
    return core_algos.compute_reinforce_plus_plus_baseline_outcome_advantage(rewards, case.mask.long(), prompt)[0]


def whiten(scale: float = 1.0, **options: bool) -> Row:
    def function(x: Tensor, case: Case) -> Tensor:
        return kept(verl_F.masked_whiten(scale * x.detach(), case.mask.long(), **options), case)

    return Row("values", function, HOLES)


def group_advantages(estimator: str, *, group_size: int = GROUP, cases: tuple = ORDINARY, **options: bool) -> Row:
    def function(rewards: Tensor, case: Case) -> Tensor:
        group = np.arange(len(rewards)) // group_size
        one_token = torch.ones(len(rewards), 1, dtype=torch.bool)
        advantages_of = core_algos.get_adv_estimator_fn(estimator)
        return advantages_of(rewards.detach()[:, None], one_token, group, **options)[0][:, 0]

    return Row("rewards", function, cases)


def rloo_of_penalised(scores: Tensor, case: Case) -> Tensor:
    """As the trainer does with `use_kl_in_reward`: the KL first, then the baseline."""
    rewards, _ = penalised(scores, case)
    prompt = np.arange(len(rewards)) // 2
    return core_algos.compute_rloo_outcome_advantage(rewards, case.mask.long(), prompt)[0]


# --- policy and value ---


def correction(case: Case, level: str = "token", threshold: str | float = SAMPLER_HIGH) -> Tensor:
    return rollout_corr_helper.compute_rollout_correction_weights(
        case.old - case.sampler, case.mask.long(), level, threshold
    )[0]


def correct(level: str, threshold: str | float, cases: tuple = HOLES) -> Row:
    return Row("sampler", lambda x, c: correction(c, level, threshold), cases)


def reject(option: str) -> Row:
    def function(sampler: Tensor, case: Case) -> Tensor:
        log_ratio = case.old - sampler.detach()
        bounds = f"{SAMPLER_LOW}_{SAMPLER_HIGH}"
        return rollout_corr_helper.compute_rollout_rejection_mask(log_ratio, case.mask.long(), option, bounds)[0]

    return Row("sampler", function, HOLES)


def actor(**options: float | bool) -> ActorConfig:
    return ActorConfig(strategy="fsdp", rollout_n=1, ppo_micro_batch_size_per_gpu=1, **options)


def policy_loss(
    name: str = "vanilla",
    mode: str = "token-mean",
    *,
    low: float = CLIP_LOW,
    high: float = CLIP_HIGH,
    dual_clip: float = NO_CLIP,
    metric: str = "",
    corrected: bool = False,
    advantages: Callable[[Case], Tensor] = lambda case: case.advantages,
    cases: tuple = ORDINARY,
) -> Row:
    def function(logprobs: Tensor, case: Case) -> Tensor | float:
        config = actor(clip_ratio_low=low, clip_ratio_high=high, clip_ratio_c=dual_clip)
        loss, metrics = core_algos.get_policy_loss_fn(name)(
            case.old,
            logprobs,
            advantages(case),
            case.mask.long(),
            mode,
            config,
            correction(case) if corrected else None,
        )
        return metrics[metric] if metric else loss

    return Row("logprobs", function, cases)


def gspo(mode: str, **options: bool) -> Row:
    return policy_loss("gspo", mode, low=GSPO_LOW, high=GSPO_HIGH, advantages=one_per_row, cases=HOLES, **options)


def one_per_row(case: Case) -> Tensor:
    return case.advantages[:, :1].expand_as(case.advantages)


def total_loss(logprobs: Tensor, case: Case) -> Tensor:
    """Policy, KL and entropy. -logp stands in for the entropy, so that it has a gradient here."""
    config = actor(
        clip_ratio_low=CLIP_LOW,
        clip_ratio_high=CLIP_HIGH,
        clip_ratio_c=NO_CLIP,
        entropy_coeff=ENTROPY_COEF,
        use_kl_loss=True,
        kl_loss_coef=KL_COEF,
    )
    data = Batch(
        response_mask=case.mask,
        old_log_probs=case.old,
        ref_log_prob=case.ref,
        advantages=case.advantages,
        dp_size=1,
        batch_num_tokens=None,
        global_batch_size=None,
    )
    return ppo_loss(config, {"log_probs": logprobs, "entropy": -logprobs}, data)[0]


def value_loss(values: Tensor, case: Case) -> Tensor:
    return core_algos.compute_value_loss(values, case.returns, case.old_values, case.mask.long(), VALUE_CLIP)[0]


# --- rewards and metrics ---


def overlong(scores: Tensor, case: Case, max_length: int = COMPLETION) -> Tensor:
    """The DAPO reward manager on scores that are there already: with its penalty, on the last token."""
    given = iter(scores.tolist())
    manager = DAPORewardManager(
        tokenizer=SimpleNamespace(decode=lambda *_, **__: "", eos_token="eos"),
        num_examine=0,
        compute_score=lambda **_: next(given),
        max_resp_len=max_length,
        overlong_buffer_cfg=SimpleNamespace(enable=True, len=BUFFER, penalty_factor=1.0, log=False),
    )
    response = torch.arange(COMPLETION) < case.lengths[:, None]
    rewards = manager(
        DataProto.from_single_dict(
            {
                "prompts": case.tokens[:, :PROMPT],
                "responses": case.tokens[:, PROMPT:],
                "attention_mask": torch.cat([torch.ones(len(scores), PROMPT), response], dim=1).long(),
                "reward_model": np.array([{"ground_truth": ""}] * len(scores)),
                "data_source": np.array([""] * len(scores)),
            }
        )
    )
    return torch.cat([torch.zeros(len(scores), PROMPT - 1), rewards], dim=1)


def metric(name: str, leaf: str, returns: Callable[[Case], Tensor] = lambda case: case.returns) -> Row:
    def function(_: Tensor, case: Case) -> Tensor:
        completion = slice(PROMPT - 1, None)
        batch = {
            "token_level_scores": on_last_token(case.scores, case)[:, completion],
            "token_level_rewards": on_last_token(case.scores, case)[:, completion],
            "advantages": case.advantages[:, completion],
            "returns": returns(case)[:, completion],
            "values": case.values[:, completion],
            "prompts": case.tokens[:, :PROMPT],
            "responses": case.tokens[:, PROMPT:],
            "response_mask": case.mask[:, completion],
            "attention_mask": torch.cat([torch.ones(len(case.mask), PROMPT), case.mask[:, completion]], dim=1),
        }
        data = SimpleNamespace(batch=batch, non_tensor_batch={})
        return torch.tensor(metric_utils.compute_data_metrics(data)[name], dtype=torch.float64)

    return Row(leaf, function)


ROWS = {
    "logprobs_from_logits": Row("logits", logprobs),
    "logprobs_from_logits, temperature": Row("logits", lambda x, c: logprobs(x, c, TEMPERATURE)),
    "logprobs_from_logits, bfloat16": Row("logits", lambda x, c: logprobs(x.bfloat16(), c).float(), ("ragged",)),
    "FusedLinearForPPO": Row("logits", fused_logprobs),
    "entropy_from_logits": Row("logits", lambda x, c: verl_F.entropy_from_logits(x[:, :-1])),
    "compute_entropy_loss": Row("logits", lambda x, c: core_algos.compute_entropy_loss(x[:, :-1].detach(), c.mask)),
    "masked_mean": Row("token_loss", lambda x, c: verl_F.masked_mean(x, c.mask)),
    "masked_sum": Row("token_loss", lambda x, c: verl_F.masked_sum(x, c.mask, axis=-1), HOLES),
    "get_response_mask": Row(
        "tokens", lambda x, c: verl_F.get_response_mask(x[:, PROMPT:], eos_token=EOS), ("ragged", "full")
    ),
    "agg_loss token-mean": agg_loss("token-mean"),
    "agg_loss token-mean, global": agg_loss("token-mean", batch_num_tokens=GLOBAL_TOKENS, dp_size=PROCESSES),
    "agg_loss seq-mean-token-mean": agg_loss("seq-mean-token-mean"),
    "agg_loss seq-mean-token-mean, global": agg_loss(
        "seq-mean-token-mean", global_batch_size=GLOBAL_SEQUENCES, dp_size=PROCESSES
    ),
    "agg_loss seq-mean-token-sum-norm": agg_loss("seq-mean-token-sum-norm"),
    "agg_loss seq-mean-token-sum-norm, budget": agg_loss("seq-mean-token-sum-norm", loss_scale_factor=BUDGET),
    "kl_penalty kl": kl("kl"),
    "kl_penalty abs": kl("abs"),
    "kl_penalty mse": kl("mse"),
    "kl_penalty low_var_kl": kl("low_var_kl"),
    "kl_penalty k1+": kl("k1+"),
    "kl_penalty k3+": kl("k3+"),
    "kl_penalty abs+": kl("abs+"),
    "agg_loss of kl_penalty low_var_kl": Row(
        "logprobs",
        lambda x, c: core_algos.agg_loss(core_algos.kl_penalty(x.detach(), c.ref, "low_var_kl"), c.mask, "token-mean"),
    ),
    "masked_mean of kl_penalty(old, new)": Row("logprobs", moved),
    "AdaptiveKLController": Row("rewards", adaptive, ("full",)),
    "apply_kl_penalty": Row("scores", lambda x, c: kept(penalised(x, c)[0], c), HOLES),
    "apply_kl_penalty reward_kl_penalty": Row("scores", lambda x, c: penalised(x, c)[1]["actor/reward_kl_penalty"]),
    "apply_kl_penalty, then rloo": Row("scores", rloo_of_penalised, PAIRED),
    "compute_gae_advantage_return": Row("values", lambda x, c: gae(x, c)[0], HOLES),
    "compute_gae_advantage_return, before whitening": Row("values", lambda x, c: gae(x, c)[1], HOLES),
    "compute_gae_advantage_return, before whitening, lam=0": Row("values", lambda x, c: gae(x, c, 0.0)[1], HOLES),
    "compute_grpo_outcome_advantage": group_advantages("grpo"),
    "compute_grpo_outcome_advantage, no std": group_advantages("grpo", norm_adv_by_std_in_grpo=False),
    "compute_grpo_outcome_advantage, one each": group_advantages("grpo", group_size=1, cases=("full",)),
    "compute_grpo_vectorized_outcome_advantage": group_advantages("grpo_vectorized"),
    "compute_rloo_outcome_advantage": group_advantages("rloo"),
    "compute_rloo_outcome_advantage, one each": group_advantages("rloo", group_size=1, cases=("full",)),
    "compute_rloo_vectorized_outcome_advantage": group_advantages("rloo_vectorized"),
    "compute_rloo_vectorized_outcome_advantage, one each": group_advantages(
        "rloo_vectorized", group_size=1, cases=("full",)
    ),
    "compute_reinforce_plus_plus_outcome_advantage": Row(
        "token_rewards", lambda x, c: reinforce_plus_plus(x, c)[0], HOLES
    ),
    "compute_reinforce_plus_plus_outcome_advantage, returns": Row(
        "token_rewards", lambda x, c: reinforce_plus_plus(x, c)[1], HOLES
    ),
    "compute_reinforce_plus_plus_outcome_advantage, returns of scores": Row(
        "scores", lambda x, c: reinforce_plus_plus(on_last_token(x, c), c)[1], HOLES
    ),
    "compute_reinforce_plus_plus_baseline_outcome_advantage": Row(
        "scores", reinforce_plus_plus_baseline, (*PAIRED, "full")
    ),
    "masked_whiten": whiten(),
    "masked_whiten, shift_mean=False": whiten(shift_mean=False),
    "masked_whiten, small": whiten(scale=1e-4),
    "compute_policy_loss_vanilla": policy_loss(cases=FAR),
    "compute_policy_loss_vanilla seq-mean-token-mean": policy_loss(mode="seq-mean-token-mean"),
    "compute_policy_loss_vanilla pg_clipfrac": policy_loss(metric="actor/pg_clipfrac"),
    "compute_policy_loss_vanilla ppo_kl": policy_loss(metric="actor/ppo_kl"),
    "compute_policy_loss_vanilla, dual clip": policy_loss(dual_clip=DUAL_CLIP, cases=FAR),
    "compute_policy_loss_vanilla, rollout_is_weights": policy_loss(corrected=True, cases=HOLES),
    "compute_policy_loss_gspo token-mean": gspo("token-mean"),
    "compute_policy_loss_gspo seq-mean-token-mean": gspo("seq-mean-token-mean"),
    "compute_policy_loss_gspo seq-mean-token-sum-norm": gspo("seq-mean-token-sum-norm"),
    "compute_policy_loss_gspo, rollout_is_weights": gspo("seq-mean-token-mean", corrected=True),
    "compute_policy_loss_gspo, unclipped": policy_loss(
        "gspo", "seq-mean-token-mean", low=1.0, high=NO_CLIP, advantages=lambda c: -torch.ones_like(c.advantages)
    ),
    "compute_policy_loss_cispo": policy_loss("cispo", cases=FAR),
    "compute_policy_loss_gpg": policy_loss("gpg"),
    "compute_rollout_correction_weights token": correct("token", SAMPLER_HIGH),
    "compute_rollout_correction_weights sequence": correct("sequence", SAMPLER_HIGH),
    "compute_rollout_correction_weights token, low_high": correct("token", f"{SAMPLER_LOW}_{SAMPLER_HIGH}"),
    "compute_rollout_correction_weights sequence, low_high": correct(
        "sequence",
        f"{SAMPLER_LOW}_{SAMPLER_HIGH}",
        ("ragged", "full"),  # in the others no row is left, and verl's metrics divide by zero
    ),
    "compute_rollout_rejection_mask token_k1": reject("token_k1"),
    "compute_rollout_rejection_mask seq_sum_k1": reject("seq_sum_k1"),
    "compute_rollout_rejection_mask seq_mean_k1": reject("seq_mean_k1"),
    "ppo_loss": Row("logprobs", total_loss),
    "compute_value_loss": Row("values", value_loss, HOLES),
    "DAPORewardManager": Row("scores", overlong, ("ragged", "full")),
    "DAPORewardManager, beyond max_resp_len": Row("scores", lambda x, c: overlong(x, c, COMPLETION - 1), ("full",)),
    "critic/vf_explained_var": metric("critic/vf_explained_var", "values"),
    "critic/vf_explained_var, equal returns": metric(
        "critic/vf_explained_var", "values", returns=lambda c: torch.ones_like(c.returns)
    ),
    "critic/score/mean": metric("critic/score/mean", "scores"),
    "response_length/mean": metric("response_length/mean", "mask"),
    "response_length/clip_ratio": metric("response_length/clip_ratio", "mask"),
}


def record() -> tuple[str, dict[str, dict]]:
    return verl.__version__, evaluate_all(ROWS, make_cases())


if __name__ == "__main__":
    version, records = record()
    print(save("verl", version, records, make_cases()))
