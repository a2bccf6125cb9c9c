"""What verl makes of logits and of tokens: log-probs, masks, normalisers, KL."""

from torch import Tensor
from verl.trainer.ppo import core_algos
from verl.utils import torch_functional as verl_F
from verl.utils.experimental.torch_functional import FusedLinearForPPO

from ..cases import (
    BUDGET,
    EOS,
    FAR,
    GLOBAL_SEQUENCES,
    GLOBAL_TOKENS,
    HOLES,
    ORDINARY,
    PROCESSES,
    PROMPT,
    TEMPERATURE,
    VOCAB,
    Case,
)
from ..records import Row
from ..shared_rows import kl_controller_row, logprob_rows
from ..verl_options import SOME

# --- log-probs, masks, normalisers ---


def logprobs(logits: Tensor, case: Case, temperature: float) -> Tensor:
    return verl_F.logprobs_from_logits(logits[:, :-1] / temperature, case.tokens[:, 1:])


def fused_logprobs(hidden: Tensor, case: Case) -> Tensor:
    lm_head = case.logits[0, :VOCAB]  # any (vocab, width) matrix will do, the logits serve as hidden states
    logprobs, _ = FusedLinearForPPO(chunk_size=3)(hidden[:, :-1], lm_head, case.tokens[:, 1:], TEMPERATURE)
    return logprobs


def agg_loss_row(mode: str, cases: tuple = ORDINARY, **options: int) -> Row:
    def function(token_loss: Tensor, case: Case) -> Tensor:
        return core_algos.agg_loss(token_loss, case.mask.long(), mode, **options)

    return Row("token_loss", function, cases)


# --- KL ---


def kl_row(estimator: str, cases: tuple = FAR) -> Row:
    return Row("logprobs", lambda x, c: core_algos.kl_penalty(x, c.ref, estimator), cases)


def mean_kl_of_old_to_new(logprobs: Tensor, case: Case) -> Tensor:
    """KL(old || new) on samples from old, by verl's own k3 and mean."""
    return verl_F.masked_mean(core_algos.kl_penalty(case.old, logprobs.detach(), "low_var_kl"), case.mask)


TOKENS = logprob_rows("logprobs_from_logits", logprobs) | {
    "FusedLinearForPPO": Row("logits", fused_logprobs),
    "entropy_from_logits": Row("logits", lambda x, c: verl_F.entropy_from_logits(x[:, :-1])),
    "compute_entropy_loss": Row("logits", lambda x, c: core_algos.compute_entropy_loss(x[:, :-1].detach(), c.mask)),
    "masked_mean": Row("token_loss", lambda x, c: verl_F.masked_mean(x, c.mask)),
    "masked_sum": Row("token_loss", lambda x, c: verl_F.masked_sum(x, c.mask, axis=-1), HOLES),
    "get_response_mask": Row(
        "tokens", lambda x, c: verl_F.get_response_mask(x[:, PROMPT:], eos_token=EOS), ("ragged", "full")
    ),
    "agg_loss token-mean": agg_loss_row("token-mean"),
    "agg_loss token-mean, global": agg_loss_row("token-mean", batch_num_tokens=GLOBAL_TOKENS, dp_size=PROCESSES),
    "agg_loss seq-mean-token-mean": agg_loss_row("seq-mean-token-mean"),
    "agg_loss seq-mean-token-mean, global": agg_loss_row(
        "seq-mean-token-mean", global_batch_size=GLOBAL_SEQUENCES, dp_size=PROCESSES
    ),
    "agg_loss seq-mean-token-sum-norm": agg_loss_row("seq-mean-token-sum-norm"),
    "agg_loss seq-mean-token-sum-norm, budget": agg_loss_row("seq-mean-token-sum-norm", loss_scale_factor=BUDGET),
    "agg_loss seq-mean-token-sum": agg_loss_row("seq-mean-token-sum", SOME),
    "agg_loss token-sum": agg_loss_row("token-sum", SOME),
    "kl_penalty kl": kl_row("kl"),
    "kl_penalty abs": kl_row("abs"),
    "kl_penalty mse": kl_row("mse"),
    "kl_penalty low_var_kl": kl_row("low_var_kl"),
    "kl_penalty k1+": kl_row("k1+"),
    "kl_penalty k3+": kl_row("k3+"),
    "kl_penalty abs+": kl_row("abs+"),
    "kl_penalty mse+": kl_row("mse+", SOME),
    "kl_penalty low_var_kl+": kl_row("low_var_kl+", SOME),
    "agg_loss of kl_penalty low_var_kl": Row(
        "logprobs",
        lambda x, c: core_algos.agg_loss(core_algos.kl_penalty(x.detach(), c.ref, "low_var_kl"), c.mask, "token-mean"),
    ),
    "masked_mean of kl_penalty(old, new)": Row("logprobs", mean_kl_of_old_to_new),
    "AdaptiveKLController": kl_controller_row(core_algos.AdaptiveKLController),
}
