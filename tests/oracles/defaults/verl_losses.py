"""verl: its policy losses, what they are divided by, and its corrections for the sampler."""

from .cells import OTHER, value
from .verl_options import ACTOR, ALGOS, CORRECTION, FILES, V1, line, option, unread

LOSS_MODES = {
    "vanilla": value("the clipped loss of PPO, with the dual clip", loss="ppo_clip", columns={"ratio": "token"}),
    "gspo": value(
        "GSPO's ratio of sequences, divided as loss_agg_mode says", loss="gspo", columns={"ratio": "sequence"}
    ),
    "cispo": value("-w A log p with a detached weight w, the ratio clipped on both sides", loss="cispo"),
    "sapo": value("a sigmoid of the ratio in the place of the clip; always divided as seq-mean-token-mean", loss="sapo"),
    "geo_mean": "GMPO: a row's geometric mean of clipped ratios; means over rows are added up over micro-batches, "
    "whatever loss_agg_mode is",
    "gpg": value("-A log p, without a ratio", loss="reinforce"),
    "dppo_tv": value("-w A log p, stopped where a probability has moved too far; the weight is capped at clip_ratio_c", loss="dppo"),
    "dppo_kl": value("-w A log p, stopped where a binary KL is too large; the weight is capped at clip_ratio_c", loss="dppo"),
    "clip_cov": "PPO's clipped loss without the dual clip and without a few random tokens of high covariance",
    "kl_cov": "the ratio without a clip; the tokens of highest covariance pay ppo_kl_coef times the absolute log-ratio",
    "dro": "-A log p plus dro_beta / 2 times the squared log-ratio",
    "bypass_mode": "the default trainer hands it the options of policy_loss.rollout_correction, not those of algorithm.rollout_correction",
}  # fmt: skip
COUNT = "ppo_mini_batch_size times rollout.n"
MODES = {
    "token-mean": value("the kept tokens of the mini-batch over all micro-batches and ranks",
                        columns={"aggregation": "token_mean", "processes": True}),
    "seq-mean-token-mean": value(f"each row's tokens, then {COUNT}, rows without kept tokens counted",
                                 columns={"aggregation": "sequence_mean", "processes": True}),
    "seq-mean-token-sum": f"{COUNT}: lengths divide nothing",
    "seq-mean-token-sum-norm": value(f"{COUNT} times loss_scale_factor, or times the micro-batch's longest completion",
                                     columns={"aggregation": "fixed_length"}),
    "token-sum": "nothing: the sum over all tokens, micro-batches and ranks",
}  # fmt: skip

LOSS_CELLS = [
    option("clip", f"{ACTOR}.clip_ratio_low", "the ratio is clipped below at 1 - {value}", column="clip_low"),
    option("clip", f"{ACTOR}.clip_ratio_high", "above at 1 + {value}", column="clip_high"),
    option("clip", f"{ACTOR}.clip_ratio_c", "where the advantage is negative, the loss is bounded at the ratio {value}: the dual clip is on",
           column="dual_clip"),
    unread("clip", f"{ACTOR}.clip_ratio", "actor/actor.yaml", "clip_ratio",
           "read only where clip_ratio_low or clip_ratio_high is null; both are 0.2, so that to set it alone changes nothing"),
    line("clip", ALGOS, "negative_approx_kl = torch.clamp(negative_approx_kl, min=-20.0, max=20.0)",
         "compute_policy_loss_vanilla", "the log-ratio is cut at 20 on both sides"),
    option("ratio", f"{ACTOR}.policy_loss.loss_mode", LOSS_MODES),
    option("ratio", f"{ACTOR}.tau_pos", "with sapo, tau is {value} where the advantage is positive"),
    option("ratio", f"{ACTOR}.tau_neg", "with sapo, tau is {value} elsewhere"),
    option("ratio", f"{ACTOR}.policy_loss.clip_cov_ratio", "with clip_cov, up to the share {value} of the micro-batch's tokens is taken out"),
    option("ratio", f"{ACTOR}.policy_loss.clip_cov_lb", "with clip_cov, only tokens of a covariance above {value}"),
    option("ratio", f"{ACTOR}.policy_loss.clip_cov_ub", "with clip_cov, only tokens of a covariance below {value}"),
    option("ratio", f"{ACTOR}.policy_loss.kl_cov_ratio", "with kl_cov, the share {value} of the micro-batch's tokens is penalised"),
    option("ratio", f"{ACTOR}.policy_loss.ppo_kl_coef", "with kl_cov, {value} times the absolute log-ratio is added"),
    option("ratio", f"{ACTOR}.policy_loss.dro_beta", {
        None: "with dro, a positive number has to be set", OTHER: "with dro, the squared log-ratio has the coefficient {value} / 2",
    }),
    option("aggregation", f"{ACTOR}.loss_agg_mode", MODES),
    option("aggregation", f"{ACTOR}.loss_scale_factor", {
        None: "with seq-mean-token-sum-norm, the micro-batch's longest completion is the length", OTHER: "with seq-mean-token-sum-norm, the length is {value}",
    }),
    line("aggregation", ALGOS, "seq_mask = (seq_mask > 0).float()  # exclude fully masked sequences", "agg_loss",
         "with the seq-mean modes a row without kept tokens adds nothing, and the count still has it"),
    option("entropy", f"{ACTOR}.entropy_coeff", "{value} times the entropy is taken off the loss, divided as the policy loss",
           column="entropy_coef"),
    option("correction", f"{CORRECTION}.rollout_is", {
        None: value("none", columns={"correction": "none"}),
        "token": value("each token's loss is weighed by trainer over sampler, cut at rollout_is_threshold", columns={"correction": "token truncate"}),
        "sequence": value("each row's loss is weighed by the product of its tokens' ratios, cut at rollout_is_threshold",
                          columns={"correction": "sequence truncate"}),
    }, key="rollout_is"),
    option("correction", f"{CORRECTION}.rollout_is_threshold",
           "with rollout_is, a weight is cut at {value}; a text LOW_HIGH sets weights outside to 0", key="rollout_is_threshold"),
    option("correction", f"{CORRECTION}.rollout_is_batch_normalize", {
        False: "weights are not normalised", True: "weights are divided by their mean over the batch",
    }, key="rollout_is_batch_normalize"),
    option("correction", f"{CORRECTION}.rollout_rs", {
        None: "nothing is rejected", OTHER: "tokens or rows are masked whose {value} is outside rollout_rs_threshold",
    }, key="rollout_rs"),
    line("correction", V1 + "agent_loop_tq.py", 'field["loss_mask"] = field["response_mask"]', None,
         "with rollout_rs, rejected tokens stay in the count that token-mean divides by"),
    option("correction", f"{CORRECTION}.bypass_mode", {
        False: "old log-probs are computed again by the trainer",
        True: "the sampler's log-probs stand for the old ones; the default trainer then reads neither rollout_is nor rollout_rs",
    }, key="bypass_mode"),
    unread("correction", f"{CORRECTION}.loss_type", FILES[CORRECTION].removeprefix("verl/trainer/config/"), "loss_type",
           "read only with trainer.use_v1 false: the default trainer keeps policy_loss.loss_mode, also with bypass_mode"),
]  # fmt: skip
