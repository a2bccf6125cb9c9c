"""Names of SkyRL 0.3.0."""

from reference.doctor.names_row import Name, Table

RL = (
    Name("reward/avg_raw_reward", "reward"),
    Name("loss/avg_final_rewards", "reward_after_kl"),
    Name(
        "loss/avg_raw_advantages",
        "advantage_mean",
        "loss/avg_raw_advantages is that before advantages are normalised and scaled for the loss.",
    ),
    Name("generate/avg_num_tokens", "length", "generate/avg_num_tokens counts the tokens that tools wrote."),
    Name("policy/policy_loss", "policy_loss"),
    Name("policy/policy_entropy", "entropy"),
    Name("policy/loss_metrics/clip_ratio", "clip_frac", "policy/loss_metrics/clip_ratio is 0 for losses that do not clip."),
    Name("policy/grad_norm", "grad_norm"),
    Name("policy/policy_lr", "learning_rate"),
    Name(
        "policy/policy_kl",
        "kl_ref",
        "policy/policy_kl is of the estimator that kl_estimator_type names (k3 unless said), a mean over completions.",
    ),
    Name(
        "loss/avg_kl",
        "kl_ref_in_reward",
        "loss/avg_kl is of the estimator that kl_estimator_type names (k3 unless said), a mean over completions.",
    ),
    Name("loss/kl_loss_coef", "kl_coef"),
    Name("policy/rollout_train_logprobs_abs_diff_mean", "sampler_gap"),
    Name("critic/critic_loss", "value_loss"),
    Name("critic/grad_norm", "value_grad_norm"),
)  # fmt: skip
SUPERVISED = (
    Name("loss", "loss"),
    Name("grad_norm", "grad_norm"),
)
SKYRL = (
    Table("GRPO, PPO and relatives", ("reward/avg_raw_reward", "policy/policy_loss", "generate/avg_num_tokens", "loss/avg_final_rewards"), RL),
    Table("SFT", ("tokens_per_second_per_gpu",), SUPERVISED),
)  # fmt: skip
