"""Names of verl 0.9.1."""

from reference.doctor.names_row import Name, Table

RL = (
    Name("critic/score/mean", "reward"),
    Name("critic/rewards/mean", "reward_after_kl"),
    Name("critic/advantages/mean", "advantage_mean"),
    Name("critic/vf_explained_var", "explained_variance"),
    Name("critic/vf_loss", "value_loss"),
    Name("critic/grad_norm", "value_grad_norm"),
    Name(
        "response_length/mean",
        "length",
        "response_length/mean counts the tokens that tools wrote, and completions that were aborted as 0.",
    ),
    Name(
        "response_length/clip_ratio",
        "truncated",
        "response_length/clip_ratio counts completions of the full budget, those among them that end with EOS too.",
    ),
    Name("actor/pg_loss", "policy_loss"),
    Name("actor/grad_norm", "grad_norm"),
    Name("actor/lr", "learning_rate", "actor/lr is that of the next step: it is read after the scheduler moved."),
    Name(
        "actor/entropy",
        "entropy",
        "actor/entropy is that of the policy before the step, averaged as loss_agg_mode says: per token with token-mean.",
    ),
    Name("actor/entropy_loss", "entropy", "actor/entropy_loss is averaged as loss_agg_mode says: per token with token-mean."),
    Name(
        "actor/ppo_kl",
        "ppo_kl_k1",
        "actor/ppo_kl is the mean of old less new log-prob, a k1 that can be negative; kl_cov logs its absolute value.",
    ),
    Name("actor/pg_clipfrac", "clip_frac", "actor/pg_clipfrac leaves out what the dual clip cuts, which is pg_clipfrac_lower."),
    Name(
        "actor/kl_loss",
        "kl_ref",
        "actor/kl_loss is of the estimator that kl_loss_type names (low_var_kl is k3, cut at 10), averaged as loss_agg_mode says.",
    ),
    Name("actor/kl_coef", "kl_coef"),
    Name(
        "actor/reward_kl_penalty",
        "kl_ref_in_reward",
        "actor/reward_kl_penalty is of the estimator that algorithm.kl_penalty names (kl is k1), a mean over completions.",
    ),
    Name("actor/reward_kl_penalty_coeff", "kl_coef"),
)  # fmt: skip
SUPERVISED = (
    Name("loss", "loss"),
    Name("grad_norm", "grad_norm"),
    Name("lr", "learning_rate", "lr is that of the next step: it is read after the scheduler moved."),
)
VERL = (
    Table("PPO, GRPO and relatives", ("actor/", "critic/score/", "critic/rewards/", "critic/advantages/", "response_length/"), RL),
    Table("SFT", ("total_tokens(B)", "global_tokens"), SUPERVISED),
)  # fmt: skip
