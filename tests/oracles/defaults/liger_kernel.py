"""Liger: the losses of ``liger_kernel.chunked_loss``, which a trainer calls with hidden states, and its cross entropy."""

from typing import Any

from . import names
from .cells import OTHER, Cell, Value, cell, fixed, inert, value
from .source import code, parameter

FILES = {
    "LigerFusedLinearGRPOLoss": "liger_kernel/chunked_loss/grpo_loss.py",
    "LigerFusedLinearDPOLoss": "liger_kernel/chunked_loss/dpo_loss.py",
    "LigerFusedLinearKTOLoss": "liger_kernel/chunked_loss/kto_loss.py",
    "LigerFusedLinearORPOLoss": "liger_kernel/chunked_loss/orpo_loss.py",
    "LigerFusedLinearSimPOLoss": "liger_kernel/chunked_loss/simpo_loss.py",
    "LigerFusedLinearCPOLoss": "liger_kernel/chunked_loss/cpo_loss.py",
    "LigerFusedLinearJSDLoss": "liger_kernel/chunked_loss/jsd_loss.py",
    "LigerCrossEntropyLoss": "liger_kernel/transformers/cross_entropy.py",
}
GRPO, DPO, KTO, ORPO, SIMPO, CPO, JSD, NLL = FILES
BASE, PAIRS = "liger_kernel/chunked_loss/fused_linear_ppo.py", "liger_kernel/chunked_loss/fused_linear_preference.py"
LOSS = "LigerFusedLinearGRPOFunction.ppo_loss_fn"


def option(
    slot: str, owner: str, name: str, says: str | dict[Any, Value | str], *, column: str = "", of: str = "__init__"
) -> Cell:
    """``of``: where it is given, when the loss is made or when it is called."""
    return cell(slot, name, parameter(FILES[owner], f"{owner}.{of}.{name}"), says, column=column, entry=owner)


def unread(slot: str, owner: str, name: str, says: str) -> Cell:
    return inert(slot, name, parameter(FILES[owner], f"{owner}.__init__.{name}"), says, entry=owner)


def line(slot: str, owner: str, text: str, says: str, *, of: str | None = None, file: str = "", **columns: Any) -> Cell:
    return fixed(slot, code(file or FILES[owner], text, of=of), says, columns=columns, entry=owner)


PPO = value("the clipped loss of PPO", loss="ppo_clip")
LOSS_TYPES = {
    "grpo": PPO,
    "bnpo": PPO,
    "dr_grpo": PPO,
    "dapo": PPO,
    "luspo": PPO,
    "cispo": value("-w A log p with a detached weight w, the ratio capped at epsilon_high itself", loss="cispo"),
    "sapo": "a sigmoid of the ratio in the place of the clip",
    "vespo": "-w A log p with a detached weight per sequence, a gamma density of the ratio",
}
ROWS = value("each row's tokens, then the rows of the micro-batch, empty ones too",
             columns={"aggregation": "sequence_mean"})  # fmt: skip
WHOLE = value("the kept tokens of the micro-batch over all processes; num_items_in_batch takes their place",
              columns={"aggregation": "token_mean", "processes": True})  # fmt: skip
DIVISORS = {
    "grpo": ROWS,
    "sapo": ROWS,
    "bnpo": value("the kept tokens of the micro-batch", columns={"aggregation": "token_mean", "processes": False}),
    "dr_grpo": value(
        "the rows of the micro-batch times max_completion_length", columns={"aggregation": "fixed_length"}
    ),
    "dapo": WHOLE,
    "cispo": WHOLE,
    "vespo": WHOLE,
    "luspo": "the rows times the width of the loss, which is 1 by sequence",
}
GRPO_CELLS = [
    option("kl", GRPO, "beta", "{value} times the KL is added to each token's loss", column="kl_coef"),
    line("kl", GRPO, "return torch.exp(log_p - log_q) - (log_p - log_q) - 1.0", "the estimator is k3, without a clamp",
         kl="k3", kl_place="loss"),
    option("kl", GRPO, "use_bias_correction_kl", {
        False: value("k3 as it stands: in expectation its gradient is that of the forward KL", columns={"old_ratio_on_kl": False}),
        True: value("k3 is multiplied by the ratio, which has a gradient: on policy the gradient is that of k2",
                    columns={"kl": "k3_unbiased", "old_ratio_on_kl": True}),
    }),
    option("reference", GRPO, "use_ref_model", {
        True: value("reference log-probs, or states and a head to make them, must be given", columns={"reference_model": True}),
        False: value("there is none: the policy's own log-probs stand in for it, and the KL is 0", columns={"reference_model": False}),
    }),
    option("clip", GRPO, "epsilon_low", "the ratio is clipped below at 1 - {value}, but not with cispo", column="clip_low"),
    option("clip", GRPO, "epsilon_high",
           "above at 1 + {value}; with cispo the cap of the weight is {value} itself",
           column="clip_high"),
    option("clip", GRPO, "delta", {
        None: value("no further bound where the advantage is negative", columns={"dual_clip": None}),
        OTHER: "where the advantage is negative, the loss is bounded at the ratio {value}",
    }, column="dual_clip"),
    option("ratio", GRPO, "importance_sampling_level", {
        "token": value("one ratio per token", columns={"ratio": "token"}),
        "sequence": value("the geometric mean of the tokens' ratios, as GSPO has it, and refused with cispo, sapo and vespo",
                          columns={"ratio": "sequence"}),
    }),
    option("ratio", GRPO, "loss_type", LOSS_TYPES),
    option("ratio", GRPO, "old_per_token_logps", {None: "without them the ratio is 1"}, of="forward"),
    option("aggregation", GRPO, "loss_type", DIVISORS),
    option("aggregation", GRPO, "num_items_in_batch", {
        None: "dapo, cispo and vespo count this micro-batch, so that accumulation weighs micro-batches alike, not tokens",
    }, of="forward"),
    option("aggregation", GRPO, "max_completion_length", {
        None: "none is needed, but by dr_grpo, which is refused without it", OTHER: "{value} is read with dr_grpo alone",
    }),
    line("aggregation", GRPO, "loss = weighted.sum() / (full_attention_mask.shape[0] * weighted.shape[1])",
         "luspo applies no mask to the sum: at token level, and with a KL at both levels, padding is trained on", of=LOSS),
    option("correction", GRPO, "vllm_is_ratio", {
        None: value("none", columns={"correction": "none"}),
    }, of="forward"),
    line("correction", GRPO, "per_token_loss = per_token_loss * vllm_is_ratio",
         "a weight that is given is on the policy loss and not on the KL; with vespo it is in the ratio", of=LOSS),
    option("sampling", GRPO, "temperature", "log-probs are computed at temperature {value}", column="temperature"),
    unread("ratio", GRPO, "sapo_temperature_pos", "read with sapo alone"),
    unread("ratio", GRPO, "sapo_temperature_neg", "read with sapo alone"),
    *(unread("ratio", GRPO, f"vespo_{name}", "read with vespo alone") for name in ("k_pos", "lambda_pos", "k_neg", "lambda_neg")),
    line("entropy", GRPO, "per_token_loss = per_token_loss + beta * kl_div", "there is no entropy in the loss", of=LOSS, entropy_coef=0.0),
    line("optimizer", GRPO, "logprobs = torch.empty((n_rows,), device=device, dtype=torch.float32)",
         "log-probs, and with them the loss, are float32 whatever the model's precision is", file=BASE),
    line("masks", GRPO, "loss = (per_token_loss * attention_mask).sum() / loss_normalizer",
         "attention_mask says what is trained on: the trainer has to leave out prompts and what tools wrote", of=LOSS),
]  # fmt: skip

DPO_TYPES = {
    "sigmoid": value("minus the log sigmoid of beta times the difference of the log-ratios", loss="dpo"),
    "hinge": value("1 minus beta times the difference of the log-ratios, where this is above 0", loss="hinge"),
    "robust": value("for labels that are sometimes wrong, without bias", loss="robust_dpo"),
    "exo_pair": "the reverse KL between the policy's preference and a smoothed label",
    "nca_pair": "NCA: each completion against its own reward",
    "bco_pair": "each completion a binary classification, without a shift",
    "sppo_hard": "squared distances of the log-ratios to 1/2 and -1/2 over beta",
    "apo_zero": "the chosen up, the rejected down",
    "apo_down": "both down, the rejected more",
    "discopop": "a mixture of the logistic and an exponential loss, weighed by a sigmoid",
}
SUMS = {
    False: value("log-probs are summed over tokens", columns={"average_logprobs": False}),
    True: value("log-probs are means over tokens", columns={"average_logprobs": True}),
}
NLL_ADDED = "the NLL of the chosen completions is added, one mean over the tokens of all of them"
PREFERENCE_CELLS = [
    option("preference", DPO, "loss_type", DPO_TYPES),
    option("preference", DPO, "beta", "beta is {value}", column="beta"),
    option("preference", DPO, "average_log_prob", SUMS),
    option("preference", DPO, "compute_nll_loss", {False: value("no further term", columns={"sft_coef": 0.0}), True: NLL_ADDED}),
    unread("preference", DPO, "alpha", "the weight of the NLL, which is off by default"),
    unread("preference", DPO, "label_smoothing", "read with robust and exo_pair, and not with sigmoid, the default"),
    unread("preference", DPO, "discopop_tau", "read with discopop alone"),
    option("reference", DPO, "use_ref_model", {
        True: value("its states and its head must be given", columns={"reference_model": True}),
        False: value("there is none: its log-probs count as 0", columns={"reference_model": False}),
    }),
    line("aggregation", DPO, "n_pairs = full_target.shape[0] // 2", "a mean over the pairs of the micro-batch", processes=False),
    option("preference", KTO, "beta", "beta is {value}", column="beta"),
    option("preference", KTO, "average_log_prob", SUMS),
    option("reference", KTO, "use_ref_model", {
        False: value("there is none: its log-probs count as 0, even where its states are given", columns={"reference_model": False}),
        True: value("its states and its head must be given", columns={"reference_model": True}),
    }),
    option("preference", KTO, "kl", {None: "the reference point is 0, unless the trainer gives one"}, of="forward"),
    line("preference", KTO, "losses = 1 - F.sigmoid(beta * (logratios_chunk - kl) * multiplier_chunk)",
         "desirable and undesirable completions weigh the same", loss="kto"),
    line("aggregation", KTO, "return losses.sum() / (full_target.shape[0]), chosen_rewards_sum, rejected_rewards_sum",
         "a mean over the completions of the micro-batch", processes=False),
    option("preference", ORPO, "beta", "the odds-ratio loss counts {value} times", column="beta"),
    option("preference", ORPO, "compute_nll_loss", {True: NLL_ADDED, False: "the odds ratio alone"}),
    line("preference", ORPO, "ratio = F.logsigmoid(log_odds)", "the odds ratio of averaged log-probs", loss="orpo"),
    option("preference", SIMPO, "beta", "beta is {value}", column="beta"),
    option("preference", SIMPO, "gamma", "the target margin is {value}, in units of reward", column="target_margin"),
    option("preference", SIMPO, "compute_nll_loss", {
        True: value(NLL_ADDED, loss="simpo"), False: value("SimPO alone, as in its paper", loss="simpo"),
    }),
    option("preference", SIMPO, "alpha", "{value} times that NLL", column="sft_coef"),
    option("preference", SIMPO, "label_smoothing", "{value} of the labels are taken to be the wrong way round"),
    option("preference", CPO, "beta", "beta is {value}", column="beta"),
    option("preference", CPO, "average_log_prob", SUMS),
    option("preference", CPO, "compute_nll_loss", {True: NLL_ADDED, False: "the preference term alone"}),
    option("preference", CPO, "alpha", "{value} times that NLL", column="sft_coef"),
    option("preference", CPO, "label_smoothing", "{value} of the labels are taken to be the wrong way round"),
    line("aggregation", SIMPO, "chosen_nll_loss = chosen_nll_loss / (full_target[: full_target.shape[0] // 2] != ignore_index).sum()",
         "the NLL is divided by the supervised tokens of all chosen completions of the micro-batch", file=PAIRS),
]  # fmt: skip

OTHER_CELLS = [
    option("preference", JSD, "beta", "the generalised JSD, in which the teacher has the share {value}: 0 is the forward KL, 1 the reverse"),
    option("preference", JSD, "weight_hard_loss", "{value} times the NLL of the labels is added"),
    option("preference", JSD, "weight_soft_loss", "the divergence counts {value} times"),
    option("sampling", JSD, "temperature", "logits of both are divided by {value} in the divergence, not in the NLL"),
    option("aggregation", NLL, "reduction", {
        "mean": "the supervised tokens of the micro-batch; patched models of transformers give the count of the whole batch instead",
        "sum": "not divided", "none": "a loss per token",
    }),
    option("aggregation", NLL, "label_smoothing", "{value} of each label is spread over the vocabulary"),
    option("aggregation", NLL, "lse_square_scale", "{value} times the squared log of the normaliser is added (z-loss)"),
]  # fmt: skip

CELLS = GRPO_CELLS + PREFERENCE_CELLS + OTHER_CELLS
NAMES = [names.parameters(file, f"{owner}.{of}") for owner, file in FILES.items() for of in ("__init__", "forward")]
