"""Names of TRL 1.16, and of transformers' Trainer, which axolotl, LLaMA-Factory and ms-swift build on."""

from reference.doctor.names_row import Name, Table

TRAINER = (
    Name("grad_norm", "grad_norm"),
    Name("learning_rate", "learning_rate"),
)
ROLLOUT = (
    *TRAINER,
    Name("completions/mean_length", "length"),
    Name("completion_length", "length"),  # TRL 0.14 to 0.16
    Name("completions/clipped_ratio", "truncated"),
    Name("entropy", "entropy"),
    Name("entropy/mean", "entropy"),  # ms-swift
    Name("tools/call_frequency", "tool_calls"),
    Name("tools/failure_frequency", "tool_failures"),
)
RL = (
    *ROLLOUT,
    Name("loss", "policy_loss"),
    Name("reward", "reward", "reward is the weighted sum of all reward functions: what teaches, which need not be a verifier."),
    Name(
        "reward_std",
        "reward_spread",
        "reward_std is the std of all rewards of a batch in TRL from 0.29.1 on, and the mean over groups in TRL 0.24 and ms-swift.",
    ),
    Name(
        "frac_reward_zero_std",
        "dead_groups",
        'frac_reward_zero_std is about the whole batch with scale_rewards="batch": then a 0 says nothing about groups.',
    ),
    Name(
        "kl",
        "kl_ref",
        "kl is k3 in GRPO, times the ratio by default, and k1 in RLOO, in ms-swift with kl_in_reward summed over a completion; "
        "the log does not say which trainer wrote it.",
    ),
    Name("clip_ratio/region_mean", "clip_frac", "clip_ratio/region_mean counts tokens in GRPO and whole completions in RLOO."),
    Name("clip_ratio", "clip_frac"),  # older versions
    Name("cispo_clip_ratio", "clip_frac", "cispo_clip_ratio counts tokens above epsilon_high with a positive advantage."),
    Name("sampling/sampling_logp_difference/mean", "sampler_gap"),
)  # fmt: skip
BETA = "rewards/* are beta times the gain over the reference; the log does not hold beta."
PREFERENCE = (
    *TRAINER,
    Name("loss", "loss"),
    Name("rewards/accuracies", "accuracy"),
    Name("rewards/margins", "reward_margin", BETA),
    Name("rewards/chosen", "chosen_reward", BETA),
    Name("rewards/rejected", "rejected_reward", BETA),
    Name("logps/chosen", "chosen_logprob"),
    Name("logps/rejected", "rejected_logprob"),
    Name("entropy", "entropy", "entropy is that of the completions of the data, chosen and rejected."),
    Name("kl", "kto_kl"),
)
REWARD_MODEL = (
    *TRAINER,
    Name("loss", "loss"),
    Name("accuracy", "accuracy"),
    Name("margin", "margin"),
)
SUPERVISED = (
    *TRAINER,
    Name("loss", "loss"),
    Name("mean_token_accuracy", "token_accuracy"),
    Name("token_acc", "token_accuracy"),  # ms-swift
    Name("entropy", "entropy", "entropy is that of the tokens in the loss, of the data."),
)
FACTORY = (  # trainer_log.jsonl
    Name("loss", "loss"),
    Name("lr", "learning_rate"),
    Name(
        "accuracy", "reward_accuracy"
    ),  # its rewards/accuracies: other accuracies, of evaluation, never come into this file
)
TRL = (
    Table("GRPO, RLOO", ("frac_reward_zero_std", "reward+epoch", "reward_std+epoch"), RL),
    Table("distillation", ("completions/mean_length",), ROLLOUT),
    Table("DPO, KTO and relatives", ("rewards/chosen", "rewards/rejected", "rewards/margins"), PREFERENCE),
    Table("reward model", ("mean_reward", "min_reward", "max_reward"), REWARD_MODEL),
    Table("trainer_log.jsonl of LLaMA-Factory", ("current_steps",), FACTORY),
    Table(
        "SFT, and any other Trainer of transformers",
        ("mean_token_accuracy", "token_acc", "learning_rate+epoch", "train_runtime", "global_step/max_steps"),
        SUPERVISED,
    ),
)
