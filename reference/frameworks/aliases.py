"""Older names of options, by framework: public configs outlive the versions that they were written for."""

from collections.abc import Collection

OPENRLHF = {
    "advantage_estimator": "algo.advantage.estimator",
    "init_kl_coef": "algo.kl.init_coef",
    "kl_estimator": "algo.kl.estimator",
    "use_kl_loss": "algo.kl.use_loss",
    "kl_target": "algo.kl.target",
    "no_advantage_std_norm": "algo.advantage.no_std_norm",
    "gamma": "algo.advantage.gamma",
    "lambd": "algo.advantage.lambd",
    "eps_clip": "actor.eps_clip",
    "eps_clip_low_high": "actor.eps_clip_low_high",
    "dual_clip": "actor.dual_clip",
    "entropy_loss_coef": "actor.entropy_coef",
    "policy_loss_type": "actor.policy_loss_type",
    "value_clip": "critic.value_clip",
    "actor_learning_rate": "actor.adam.lr",
    "critic_learning_rate": "critic.adam.lr",
    "n_samples_per_prompt": "rollout.n_samples_per_prompt",
    "rollout_batch_size": "rollout.batch_size",
    "train_batch_size": "train.batch_size",
    "micro_train_batch_size": "train.micro_batch_size",
    "micro_rollout_batch_size": "rollout.micro_batch_size",
    "max_epochs": "train.max_epochs",
    "num_episodes": "train.num_episodes",
    "temperature": "rollout.temperature",
    "top_p": "rollout.top_p",
    "generate_max_len": "rollout.max_new_tokens",
    "max_len": "data.max_len",
    "overlong_buffer_len": "reward.overlong_buffer_len",
    "overlong_penalty_factor": "reward.overlong_penalty_factor",
    "dynamic_filtering": "algo.dynamic_filtering_enable",
    "dynamic_filtering_reward_range": "algo.dynamic_filtering_range",
    "max_norm": "actor.max_norm",
    "beta": "model.beta",
    "ipo": "model.ipo_enable",
    "label_smoothing": "model.label_smoothing",
    "nll_loss_coef": "model.nll_loss_coef",
    "learning_rate": "adam.lr",
    "pretrain": "actor.model_name_or_path",
    "reward_pretrain": "reward.model_name_or_path",
    "prompt_data": "data.prompt_dataset",
    "zero_stage": "ds.zero_stage",
    "packing_samples": "ds.packing_samples",
    "colocate_all_models": "train.colocate_all",
    "ref_num_nodes": "ref.num_nodes",
    "ref_num_gpus_per_node": "ref.num_gpus_per_node",
    "actor_num_nodes": "actor.num_nodes",
    "actor_num_gpus_per_node": "actor.num_gpus_per_node",
    "critic_num_nodes": "critic.num_nodes",
    "critic_num_gpus_per_node": "critic.num_gpus_per_node",
    "reward_num_nodes": "reward.num_nodes",
    "reward_num_gpus_per_node": "reward.num_gpus_per_node",
    "vllm_num_engines": "vllm.num_engines",
    "vllm_tensor_parallel_size": "vllm.tensor_parallel_size",
    "vllm_gpu_memory_utilization": "vllm.gpu_memory_utilization",
    "apply_chat_template": "data.apply_chat_template",
    "max_samples": "data.max_samples",
    "input_key": "data.input_key",
    "label_key": "data.label_key",
    "save_steps": "ckpt.save_steps",
    "logging_steps": "logger.logging_steps",
    "eval_steps": "eval.steps",
    "adam_offload": "ds.adam_offload",
}

# verl moves them itself (migrate_legacy_reward_impl in verl/experimental/reward_loop/reward_loop.py).
KWARGS = ("overlong_buffer_cfg.enable", "overlong_buffer_cfg.len", "overlong_buffer_cfg.penalty_factor", "max_resp_len")
VERL = {
    "reward_model.reward_manager": "reward.reward_manager.name",
    **{f"reward_model.reward_kwargs.{name}": f"reward.reward_kwargs.{name}" for name in KWARGS},
}

ALIASES = {
    "openrlhf": OPENRLHF,
    "verl": VERL,
    "trl": {"max_new_tokens": "max_completion_length", "scale_reward": "scale_rewards", "torch_dtype": "dtype"},
}


def older_name(framework: str, name: str, names: Collection[str]) -> str:
    """The name of today, or the same where none is known. OpenRLHF's flat flags became parts of a block."""
    if name in ALIASES.get(framework, {}):
        return ALIASES[framework][name]
    if framework != "openrlhf" or name in names:
        return name
    dotted = name.replace("_", ".", 1)  # vllm_num_engines is vllm.num_engines
    if dotted in names:
        return dotted
    ends = [one for one in names if one.endswith(f".{name}")]  # adam_offload is ds.adam_offload
    return ends[0] if len(ends) == 1 else name
