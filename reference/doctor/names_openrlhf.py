"""Names of OpenRLHF 0.11.2. Its wandb and TensorBoard loggers write "train/" before each."""

from reference.doctor.names_row import Name, Table

RL = (
    Name("rollout/reward_mean", "reward"),
    Name("reward", "reward"),
    Name("group_reward_std", "reward_std"),
    Name("rollout/reward_std", "reward_std_batch"),
    Name("rollout/response_length_mean", "length", "response_length counts the tokens that tools wrote between two turns."),
    Name("response_length", "length", "response_length counts the tokens that tools wrote between two turns."),
    Name("rollout/truncated_rate", "truncated"),
    Name("truncated", "truncated"),
    Name("policy_loss", "policy_loss"),
    Name("ppo_clip_ratio", "clip_frac"),
    Name("ppo_kl", "ppo_kl_k1", "ppo_kl is the mean of old less new log-prob, a k1 that can be negative."),
    Name("logprobs_diff", "kl_k1", "logprobs_diff is a mean over completions, and over tokens only with algo.kl.use_loss."),
    Name("kl", "kl_ref", "kl is of the estimator that algo.kl.estimator names (k1 unless said), each token cut at 10."),
    Name("entropy_loss", "entropy", "entropy_loss is too small with train.dynamic_batch_enable: by the number of micro-batches of a step."),
    Name("actor_grad_norm", "grad_norm", "actor_grad_norm is that of the last optimizer step of each row."),
    Name("actor_lr", "learning_rate", "actor_lr is that of the next step: it is read after the scheduler moved."),
    Name("critic_loss", "value_loss"),
    Name("critic_grad_norm", "value_grad_norm"),
)  # fmt: skip
LAST = "is that of the last micro-batch of each row"
PAIRS = (
    Name("loss_mean", "loss", "loss_mean is that of the first process alone."),
    Name("acc_mean", "accuracy", "acc_mean is that of the first process alone."),
    Name("chosen_reward", "chosen_reward", f"chosen_reward {LAST}: beta times the gain in DPO, the head's output in a reward model."),
    Name("reject_reward", "rejected_reward", f"reject_reward {LAST}, as chosen_reward."),
    Name("grad_norm", "grad_norm"),
    Name("lr", "learning_rate"),
)  # fmt: skip
SUPERVISED = (
    Name("loss_mean", "loss", "loss_mean is that of the first process alone."),
    Name("grad_norm", "grad_norm"),
    Name("lr", "learning_rate"),
)
OPENRLHF = (
    Table(
        "PPO, GRPO and relatives",
        ("ppo_clip_ratio", "ppo_kl", "actor_lr", "actor_grad_norm", "rollout/reward_mean", "rollout/truncated_rate"),
        RL,
    ),
    Table("DPO, reward model", ("acc_mean", "chosen_reward", "reject_reward"), PAIRS),
    Table("SFT", ("gpt_loss", "loss_mean"), SUPERVISED),
)
