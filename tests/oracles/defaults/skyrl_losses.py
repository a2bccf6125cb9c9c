"""SkyRL: its policy losses, what they are divided by, and its corrections for the sampler."""

from .cells import value
from .skyrl_options import CORRECTIONS, LOSSES, TRAINER, VALIDATE, WORKER, A, line, option, unread

OFF = f"{A}.off_policy_correction"
LOSS_TYPES = {
    "regular": value("the clipped loss of PPO", loss="ppo_clip", columns={"ratio": "token", "dual_clip": None}),
    "dual_clip": value("the clipped loss of PPO, with clip_ratio_c for negative advantages", loss="ppo_clip",
                       columns={"ratio": "token"}),
    "gspo": value("GSPO-token: the ratio of the sequence, the gradient of each token", loss="gspo",
                  columns={"ratio": "sequence"}),
    "cispo": value("-w A log p with a detached weight w, a ratio cut on both sides", loss="cispo"),
    "sapo": value("a sigmoid of the ratio in the place of the clip, divided as loss_reduction says", loss="sapo"),
    "dppo": value("the ratio to the sampler, stopped where a probability has moved too far; without a cap", loss="dppo"),
    "rollout_is": "-w A log p with a detached ratio to the sampler, and 0 outside of the clip bounds",
    "clip_cov": "PPO's loss without a few random tokens of high covariance, of advantages divided by their count before",
    "kl_cov": "the ratio, with a penalty on tokens of high covariance that no count divides",
    "importance_sampling": "-A times the ratio, without a clip",
    "cross_entropy": "minus the log-prob: advantages, KL and entropy are not read",
}  # fmt: skip
REDUCTIONS = {
    "token_mean": value("the kept tokens of the mini-batch over all micro-batches and ranks",
                        columns={"aggregation": "token_mean", "processes": True}),
    "token_mean_legacy": value("the kept tokens of each micro-batch, then a mean over micro-batches and ranks",
                               columns={"aggregation": "token_mean", "processes": False}),
    "sequence_mean": value("each row's tokens, then all rows of the mini-batch, empty ones too",
                           columns={"aggregation": "sequence_mean", "processes": True}),
    "seq_mean_token_sum_norm": value("all rows of the mini-batch times max_seq_len",
                                     columns={"aggregation": "fixed_length", "processes": True}),
    "prompt_mean": "the kept tokens of a prompt's completions, then the prompts of the mini-batch",
}  # fmt: skip

LOSS_CELLS = [
    option("clip", f"{A}.eps_clip_low", "the ratio is clipped below at 1 - {value}", column="clip_low"),
    option("clip", f"{A}.eps_clip_high", "above at 1 + {value}", column="clip_high"),
    unread("clip", f"{A}.clip_ratio_c", "read only with policy_loss_type dual_clip: by default there is no dual clip"),
    line("clip", LOSSES, "ratio = safe_exp_delta(log_probs - old_log_probs, clip=20.0, out_dtype=log_probs.dtype)",
         "ppo_policy_loss", "the log-ratio is cut at 20 on both sides, and the ratio computed in float32"),
    option("clip", f"{A}.cispo.cispo_eps_clip_low", "with cispo no weight is below 1 - {value}: a ratio under 1 counts as 1"),
    option("clip", f"{A}.cispo.cispo_eps_clip_high", "with cispo no weight is above 1 + {value}, which is 6"),
    option("clip", f"{A}.dppo.dppo_type", {
        "binary_tv": "with dppo, by how far the token's probability has moved",
        "binary_kl": "with dppo, by the KL of this token or another",
    }),
    option("clip", f"{A}.dppo.delta_low", "with dppo, where the advantage is negative, up to {value}"),
    option("clip", f"{A}.dppo.delta_high", "with dppo, where the advantage is positive, up to {value}"),
    option("ratio", f"{A}.policy_loss_type", LOSS_TYPES),
    option("ratio", "trainer.recompute_old_logprobs_per_minibatch", {
        True: "old log-probs are the trainer's, computed in the micro-batches of the update: the first ratio is 1",
        False: "old log-probs are the trainer's, computed for the whole batch at once",
    }),
    option("ratio", f"{A}.sapo.tau_pos", "with sapo, tau is {value} where the advantage is positive"),
    option("ratio", f"{A}.sapo.tau_neg", "with sapo, tau is {value} elsewhere"),
    option("ratio", f"{A}.clip_cov.clip_ratio", "with clip_cov, the share {value} of the tokens is taken out, at least one"),
    option("ratio", f"{A}.kl_cov.kl_cov_frac", "with kl_cov, the share {value} of the tokens is penalised"),
    option("ratio", f"{A}.kl_cov.ppo_kl_coef", "with kl_cov, {value} times the absolute log-ratio, beside a mean over tokens"),
    option("aggregation", f"{A}.loss_reduction", REDUCTIONS),
    unread("aggregation", f"{A}.max_seq_len", "read only with seq_mean_token_sum_norm, which is refused without it"),
    line("aggregation", TRAINER, "normalized_advantages[start_idx:end_idx] = apply_loss_reduction_to_advantages_minibatch(",
         "RayPPOTrainer._normalize_advantages",
         "the advantages are divided before the update; losses only add them up, over micro-batches and ranks"),
    line("aggregation", WORKER, "loss = policy_loss * grad_sum_correction_factor +", "PolicyWorkerBase._forward_backward_micro",
         "KL and entropy are means of each micro-batch, weighed by its share of the rank's rows, then a mean over ranks"),
    option("entropy", f"{A}.use_entropy_loss", {
        False: value("it is logged and not in the loss", columns={"entropy_coef": 0.0}),
        True: "entropy_loss_coef times the mean over the micro-batch's tokens is taken off the loss",
    }),
    unread("entropy", f"{A}.entropy_loss_coef", "read only with use_entropy_loss"),
    option("correction", f"{OFF}.tis_ratio_type", {
        None: value("none", columns={"correction": "none"}),
        "token": "each token's loss is weighed by trainer over sampler, cut at token_tis_ratio_clip_high",
        "sequence": "each row's loss is weighed by the product of its tokens' ratios, cut at sequence_tis_ratio_clip_high",
    }),
    option("correction", f"{OFF}.token_tis_ratio_clip_high", "with token, a weight is cut at {value}"),
    option("correction", f"{OFF}.sequence_tis_ratio_clip_high", "with sequence, a weight is cut at {value}"),
    option("correction", f"{OFF}.sequence_mask_metric", {
        None: "no rows are masked by their mean or product",
        "geometric": "rows are masked whose geometric mean of ratios is outside geo_mask_low and geo_mask_high",
        "product": "rows are masked whose product of ratios is outside product_mask_low and product_mask_high",
    }),
    option("correction", f"{OFF}.geo_mask_low", "with geometric, the lower bound is {value}"),
    option("correction", f"{OFF}.geo_mask_high", "with geometric, the upper bound is {value}"),
    option("correction", f"{OFF}.product_mask_low", "with product, the lower bound is {value}"),
    option("correction", f"{OFF}.product_mask_high", "with product, the upper bound is {value}"),
    option("correction", f"{OFF}.outlier_token_is_threshold_low", {None: "no row is masked for a token with a smaller ratio"}),
    option("correction", f"{OFF}.outlier_token_is_threshold_high", {None: "no row is masked for a token with a larger ratio"}),
    option("correction", f"{OFF}.token_mask_is_threshold_low", {
        None: "no token is masked: both thresholds must be set, and one alone does nothing",
    }),
    option("correction", f"{OFF}.token_mask_is_threshold_high", {
        None: "no token is masked: both thresholds must be set, and one alone does nothing",
    }),
    line("correction", CORRECTIONS, "loss_mask = loss_mask * token_mask", "compute_off_policy_correction",
         "masked tokens and rows stay in the count that losses are divided by"),
    line("correction", VALIDATE, 'if cfg.trainer.algorithm.policy_loss_type in ["clip_cov", "kl_cov"]:', "validate_cfg",
         "kl_cov and clip_cov read none of it: weights and sequence masks are refused there, the two other masks ignored"),
    option("correction", f"{A}.use_tis", {
        False: "this old name for tis_ratio_type is not used",
        True: "as tis_ratio_type token, with the cap tis_imp_ratio_cap: while that is -1, every weight is -1",
    }),
    unread("correction", f"{A}.tis_imp_ratio_cap",
           "read only with use_tis; left at -1 there, it turns the sign of the whole policy loss"),
]  # fmt: skip
