"""Names of NeMo-RL 0.6.0 (commit 7ea279ab). Its loggers write "train/" before each."""

from reference.doctor.names_row import Name, Table

TRAINER = (
    Name("grad_norm", "grad_norm", "grad_norm is that of the last optimizer step of each row."),
    Name("lr", "learning_rate"),
)
RL = (
    *TRAINER,
    Name("reward", "reward"),
    Name("mean_gen_tokens_per_sample", "length"),
    Name("truncation_rate", "truncated"),
    Name("loss", "policy_loss"),
    Name("probs_ratio", "ratio"),
    Name("approx_entropy", "entropy", "approx_entropy is estimated from the sampled tokens alone, so it is noisier than an entropy."),
    Name(
        "kl_penalty",
        "kl_ref",
        "kl_penalty is of the estimator that reference_policy_kl_type names (k3 unless said).",
    ),
    Name("advantages/mean", "advantage_mean"),
    Name("critic/loss", "value_loss"),
    Name("critic/grad_norm", "value_grad_norm"),
    Name("critic/explained_var", "explained_variance"),
)  # fmt: skip
DPO = (
    *TRAINER,
    Name("loss", "loss"),
    Name("accuracy", "accuracy"),
    Name("rewards_chosen_mean", "chosen", "rewards_chosen_mean has no beta; it is per token with preference_average_log_probs."),
    Name("rewards_rejected_mean", "rejected"),
    Name("sft_loss", "sft_loss"),
)  # fmt: skip
REWARD_MODEL = (
    *TRAINER,
    Name("loss", "loss"),
    Name("accuracy", "accuracy"),
    Name("rewards_chosen_mean", "chosen_reward"),
    Name("rewards_rejected_mean", "rejected_reward"),
)
SUPERVISED = (
    *TRAINER,
    Name("loss", "loss"),
)
NEMO = (
    Table("GRPO, PPO", ("probs_ratio", "gen_kl_error", "approx_entropy", "token_mult_prob_error"), RL),
    Table("DPO", ("preference_loss",), DPO),
    Table("reward model", ("rewards_chosen_mean",), REWARD_MODEL),
    Table("SFT", ("num_unmasked_tokens", "global_valid_toks"), SUPERVISED),
)
