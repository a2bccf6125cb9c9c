"""Evaluate verl's own functions on the cases and write values and gradients to fixtures/verl-VERSION.json.

In an environment of its own, without verl's dependencies (it wants transformers<5.11), from the repository root:

    python3.11 -m venv /tmp/oracles && /tmp/oracles/bin/pip install torch
    /tmp/oracles/bin/pip install --no-deps verl==0.9.1
    /tmp/oracles/bin/pip install ray tensordict==0.10.0 omegaconf codetiming dill pandas transformers==5.23.0
    cd tests && /tmp/oracles/bin/python -m oracles.record_verl
"""

import numpy as np
import torch
import verl
from torch import Tensor
from verl.trainer.ppo import core_algos
from verl.utils import torch_functional as verl_F
from verl.utils.experimental.torch_functional import FusedLinearForPPO
from verl.workers.config import ActorConfig

from .cases import (
    BUDGET,
    CLIP_HIGH,
    CLIP_LOW,
    EOS,
    GLOBAL_SEQUENCES,
    GLOBAL_TOKENS,
    GROUP,
    ORDINARY,
    PROCESSES,
    PROMPT,
    TEMPERATURE,
    VOCAB,
    Case,
    Row,
    evaluate_all,
    make_cases,
    save,
)

NO_DUAL_CLIP = 1e9  # verl cannot switch it off, only out of reach


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


def kl(logprobs: Tensor, case: Case) -> Tensor:
    return core_algos.kl_penalty(logprobs, case.ref, "low_var_kl")


def moved(logprobs: Tensor, case: Case) -> Tensor:
    """KL(old || new) on samples from old, by verl's own k3 and mean."""
    return verl_F.masked_mean(core_algos.kl_penalty(case.old, logprobs.detach(), "low_var_kl"), case.mask)


def group_advantages(*, norm: bool) -> Row:
    def function(rewards: Tensor, case: Case) -> Tensor:
        group = np.arange(len(rewards)) // GROUP
        one_token = torch.ones(len(rewards), 1, dtype=torch.bool)
        advantages, _ = core_algos.compute_grpo_outcome_advantage(
            rewards.detach()[:, None], one_token, group, norm_adv_by_std_in_grpo=norm
        )
        return advantages[:, 0]

    return Row("rewards", function)


def policy_loss(
    mode: str = "token-mean", *, clip_ratio_c: float = NO_DUAL_CLIP, metric: str = "", cases: tuple = ORDINARY
) -> Row:
    def function(logprobs: Tensor, case: Case) -> Tensor | float:
        config = ActorConfig(
            strategy="fsdp",
            rollout_n=1,
            ppo_micro_batch_size_per_gpu=1,
            clip_ratio_low=CLIP_LOW,
            clip_ratio_high=CLIP_HIGH,
            clip_ratio_c=clip_ratio_c,
        )
        loss, metrics = core_algos.compute_policy_loss_vanilla(
            case.old, logprobs, case.advantages, case.mask.long(), mode, config
        )
        return metrics[metric] if metric else loss

    return Row("logprobs", function, cases)


ROWS = {
    "logprobs_from_logits": Row("logits", logprobs),
    "logprobs_from_logits, temperature": Row("logits", lambda x, c: logprobs(x, c, TEMPERATURE)),
    "logprobs_from_logits, bfloat16": Row("logits", lambda x, c: logprobs(x.bfloat16(), c).float(), ("ragged",)),
    "FusedLinearForPPO": Row("logits", fused_logprobs),
    "entropy_from_logits": Row("logits", lambda x, c: verl_F.entropy_from_logits(x[:, :-1])),
    "masked_mean": Row("token_loss", lambda x, c: verl_F.masked_mean(x, c.mask)),
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
    "kl_penalty low_var_kl": Row("logprobs", kl, (*ORDINARY, "far")),
    "masked_mean of kl_penalty(old, new)": Row("logprobs", moved),
    "compute_grpo_outcome_advantage": group_advantages(norm=True),
    "compute_grpo_outcome_advantage, no std": group_advantages(norm=False),
    "compute_policy_loss_vanilla": policy_loss(cases=(*ORDINARY, "far")),
    "compute_policy_loss_vanilla seq-mean-token-mean": policy_loss("seq-mean-token-mean"),
    "compute_policy_loss_vanilla pg_clipfrac": policy_loss(metric="actor/pg_clipfrac"),
    "compute_policy_loss_vanilla ppo_kl": policy_loss(metric="actor/ppo_kl"),
    "compute_policy_loss_vanilla, dual clip": policy_loss(clip_ratio_c=3.0, cases=("far",)),
}


def record() -> tuple[str, dict[str, dict]]:
    return verl.__version__, evaluate_all(ROWS, make_cases())


if __name__ == "__main__":
    version, records = record()
    print(save("verl", version, records, make_cases()))
