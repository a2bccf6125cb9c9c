"""verl: its trainer of PPO and GRPO with FSDP, ``verl.trainer.main_ppo``."""

from typing import Any

from . import names
from .cells import OTHER, Cell, Value, cell, value
from .source import code
from .verl_losses import LOSS_CELLS
from .verl_options import ACTOR, ALGOS, CONFIG, FILES, LOSSES, ROLLOUT, line, option, unread

GROUP_MEAN = "reward minus the group's mean"
WHITENED = "whitened over the tokens of the batch (ddof 1, 1e-8 on the variance)"
ESTIMATORS = {
    "gae": value(f"GAE with a critic, {WHITENED}", columns={"advantage": "gae", "ddof": 1}),
    "grpo": value(f"{GROUP_MEAN}, divided by the group's std", columns={"advantage": "group", "ddof": 1, "eps": 1e-6}),
    "grpo_vectorized": value(f"{GROUP_MEAN}, divided by the group's std", columns={"advantage": "group", "ddof": 1, "eps": 1e-6}),
    "rloo": value("reward minus the mean of the prompt's other completions", columns={"advantage": "leave_one_out"}),
    "rloo_vectorized": value("reward minus the mean of the prompt's other completions", columns={"advantage": "leave_one_out"}),
    "reinforce_plus_plus": value(f"discounted returns, {WHITENED}", columns={"advantage": "reinforce_plus_plus", "ddof": 1}),
    "reinforce_plus_plus_baseline": value(f"{GROUP_MEAN}, {WHITENED}",
                                          columns={"advantage": "reinforce_plus_plus_baseline", "ddof": 1}),
    "remax": "reward minus that of the greedy completion",
    "opo": "reward minus the group's mean, weighted by length",
    "gpg": f"{GROUP_MEAN}, times the batch over the number of rewards that are not zero",
    "grpo_passk": "the best completion of a group gets its lead over the second, divided by the group's std; all others 0",
    "gdpo": "several rewards, each normalised in its group, and their sum over the batch",
    "optimal_token_baseline": "a baseline per token that makes the variance least",
    "tir_optimal_token_baseline": "a baseline per token that makes the variance least, over several turns",
}  # fmt: skip
KL = {
    "kl": value("k1", columns={"kl": "k1"}), "k1": value("k1", columns={"kl": "k1"}),
    "abs": value("the absolute log-ratio", columns={"kl": "abs"}),
    "mse": value("k2", columns={"kl": "k2"}), "k2": value("k2", columns={"kl": "k2"}),
    "low_var_kl": value("k3, with the log-ratio cut at 20 and the value at 10", columns={"kl": "k3"}),
    "k3": value("k3, with the log-ratio cut at 20 and the value at 10", columns={"kl": "k3"}),
}  # fmt: skip
REWARD, LOSS = "with use_kl_in_reward", "with use_kl_loss"

CREDIT_CELLS = [
    option("advantage", "algorithm.adv_estimator", ESTIMATORS),
    option("advantage", "algorithm.norm_adv_by_std_in_grpo", {
        True: "with grpo and grpo_passk, divided by the group's std",
        False: value("with grpo, not divided, as Dr. GRPO has it; with grpo_passk not either", columns={"advantage": "group_mean"}),
    }),
    unread("advantage", "algorithm.norm_adv_by_std_in_grpo", "ppo_trainer.yaml", "algorithm.norm_adv_by_std_in_grpo",
           "grpo_vectorized and gdpo never get it, and always divide by the group's std"),
    line("advantage", ALGOS, "id2std[idx] = torch.std(scores_tensor)", "compute_grpo_outcome_advantage",
         "with grpo the std has ddof 1"),
    line("advantage", ALGOS, "scores[i] = (scores[i] - id2mean[index[i]]) / (id2std[index[i]] + epsilon)", "compute_grpo_outcome_advantage",
         "with grpo 1e-6 is added to the std, and no option changes it"),
    option("advantage", "algorithm.use_pf_ppo", {
        False: "rows are not drawn again by their reward",
        True: "with gae, rows are drawn again by reward, but the default trainer gives their advantages to the rows of before",
    }),
    line("dead groups", ALGOS, "id2mean[idx] = torch.tensor(0.0)", "compute_grpo_outcome_advantage",
         "a group of one keeps its raw reward as advantage; with rloo_vectorized it gets 0, and grpo_passk refuses it"),
    option("dead groups", "algorithm.filter_groups.enable", {
        False: "a group that all earns the same stays, in the batch and in its counts, with advantage 0 up to rounding",
        True: "groups in which filter_groups.metric is the same for all are dropped, and other prompts sampled",
    }),
    option("dead groups", "algorithm.filter_groups.metric", "with filter_groups.enable, what has to differ within a group is {value}"),
    unread("dead groups", "algorithm.filter_groups.max_num_gen_batches", "ppo_trainer.yaml", "algorithm.filter_groups.max_num_gen_batches",
           "read only for a warning that it is ignored: sampling goes on until the batch is full"),
    option("kl", "algorithm.use_kl_in_reward", {
        False: "no KL in the reward", True: value("a KL is taken off each token's reward", columns={"kl_place": "reward"}),
    }),
    option("kl", "algorithm.kl_penalty", {name: f"{REWARD}: {words.says}" for name, words in KL.items()}),
    option("kl", "algorithm.kl_ctrl.kl_coef", REWARD + ", its coefficient is {value}"),
    option("kl", "algorithm.kl_ctrl.type", {
        "fixed": f"{REWARD}, that coefficient stays as it is", "adaptive": f"{REWARD}, that coefficient follows target_kl, a KL per token",
    }),
    option("kl", f"{ACTOR}.use_kl_loss", {
        False: "no KL in the loss", True: value("a KL in the loss, divided as the policy loss", columns={"kl_place": "loss"}),
    }),
    option("kl", f"{ACTOR}.kl_loss_type", {name: f"{LOSS}: {words.says}" for name, words in KL.items()}
           | {f"{name}+": f"{LOSS}: {words.says}, with the gradient of k2" for name, words in KL.items()}),
    option("kl", f"{ACTOR}.kl_loss_coef", LOSS + ", its coefficient is {value}"),
    line("reference", "verl/trainer/ppo/utils.py", 'return config.algorithm.get("use_kl_in_reward", False)', "need_reference_policy",
         "there is one with a KL in the loss or in the reward, and so none by default"),
    line("reference", "verl/workers/engine_workers.py", "ref_config.model_config = deepcopy(model_config)", None,
         "it has the weights that actor_rollout_ref.model.path names, and stays as it is"),
    line("reference", "verl/trainer/ppo/v1/trainer_base.py", "ref_in_actor = lora_rank > 0 or", "PPOTrainer._init_resource_pool_mgr",
         "with LoRA it is the actor without its adapter"),
    option("value", "critic.enable", {
        None: "there is a critic with gae, a model of its own", False: "there is no critic", True: "there is a critic, whatever the estimator",
    }),
    option("value", "algorithm.gamma", "gamma is {value}; read by gae and reinforce_plus_plus", column="gamma"),
    option("value", "algorithm.lam", "lambda is {value}; read by gae", column="gae_lambda"),
    line("value", ALGOS, "# skip values and TD-error on observation tokens", "compute_gae_advantage_return",
         "with gae, what tools wrote are no steps"),
    option("value", "critic.cliprange_value", "a value may move {value} from its old one", column="value_clip"),
    line("value", ALGOS, "vf_loss = 0.5 * agg_loss(", "compute_value_loss",
         "half the larger of the two squared errors, divided as the policy loss", critic="separate"),
    option("value", "critic.optim.lr", "the critic's learning rate is {value}", column="critic_lr"),
    option("value", "trainer.critic_warmup", {
        0: "the actor is trained from the first step", OTHER: "the actor is trained from step {value} on, the critic from the first",
    }),
]  # fmt: skip

OVERLONG, MANAGER = "reward.reward_kwargs.overlong_buffer_cfg", "verl/experimental/reward_loop/reward_manager/dapo.py"


def overlong(name: str, text: str, says: dict[Any, Value | str]) -> Cell:
    """An option that stands in no YAML file, and that the manager of rewards takes."""
    return cell("truncated", name, code(MANAGER, text), says, entry="main_ppo")


OVERLONG_CELLS = [
    overlong(f"{OVERLONG}.enable", 'overlong_buffer_cfg = config.reward.get("reward_kwargs", {})', {
        None: "no punishment near the budget", False: "no punishment near the budget",
        True: "with the manager dapo, a punishment that grows near the budget",
    }),
    overlong(f"{OVERLONG}.len", "overlong_buffer_len = self.overlong_buffer_cfg.len", {
        None: "not said over how many tokens", OTHER: "that punishment, if on, is over the last {value} tokens",
    }),
    overlong(f"{OVERLONG}.penalty_factor", "overlong_penalty_factor = self.overlong_buffer_cfg.penalty_factor", {
        None: "not said how much", OTHER: "and reaches {value} at the end of them",
    }),
    overlong("reward.reward_kwargs.max_resp_len", 'self.max_resp_len = config.reward.get("reward_kwargs", {})', {
        None: "not said which budget, and then that punishment is refused", OTHER: "the budget of that punishment is {value} tokens",
    }),
]  # fmt: skip

RUN_CELLS = [
    option("truncated", "reward.reward_manager.name", {
        "naive": value("they are trained on with what they earned", columns={"overlong": "score"}),
        "dapo": "with overlong_buffer_cfg, the last overlong_buffer_cfg.len tokens of the budget cost reward",
    }),
    *OVERLONG_CELLS,
    unread("truncated", "data.truncation", "data/legacy_data.yaml", "truncation",
           "kept by the data set and read by nothing: a prompt that is too long loses its beginning, also with error"),
    line("truncated", "verl/experimental/agent_loop/agent_loop.py", "return self._cap_text_prompt_length(prompt_ids)", None,
         "a prompt of more than data.max_prompt_length tokens loses its beginning, with a warning"),
    option("truncated", "data.filter_overlong_prompts", {
        False: "prompts that are too long are not left out", True: "prompts that are too long are left out",
    }),
    option("sampling", f"{ROLLOUT}.n", "completions per prompt: {value}", column="group_size"),
    option("sampling", f"{ROLLOUT}.temperature", "temperature {value}, also where log-probs are computed", column="temperature"),
    option("sampling", f"{ROLLOUT}.top_p", "top-p {value}", column="top_p"),
    option("sampling", f"{ROLLOUT}.top_k", {-1: value("no top-k", columns={"top_k": None}), OTHER: "top-k {value}"}, column="top_k"),
    option("sampling", "data.max_prompt_length", "prompts have at most {value} tokens"),
    option("sampling", "data.max_response_length", "at most {value} new tokens, those of tools included", column="max_new_tokens"),
    option("sampling", f"{ROLLOUT}.multi_turn.max_parallel_calls", "calls of a turn that are run, at most: {value}; the others are dropped"),
    option("truncated", f"{ROLLOUT}.multi_turn.max_tool_response_length", "of a tool's answer, {value} characters are kept"),
    option("truncated", f"{ROLLOUT}.multi_turn.tool_response_truncate_side", {
        "middle": "a longer answer of a tool loses its middle", "left": "a longer answer of a tool loses its beginning",
        "right": "a longer answer of a tool loses its end",
    }),
    option("sampling", "data.train_batch_size", "prompts per step: {value}", column="prompts_per_step"),
    unread("sampling", f"{ROLLOUT}.over_sample_rate", "rollout/rollout.yaml", "over_sample_rate",
           "no line of the package reads it: no request is ended before it is done"),
    option("steps", f"{ACTOR}.ppo_mini_batch_size", "an optimizer step for every {value} prompts, with all their completions"),
    option("steps", f"{ACTOR}.ppo_micro_batch_size_per_gpu", {
        None: "rows per rank and micro-batch have to be set, or use_dynamic_bsz", OTHER: "rows per rank and micro-batch: {value}",
    }, column="micro_batch_size"),
    option("steps", f"{ACTOR}.ppo_epochs", "passes over each batch of samples: {value}", column="inner_epochs"),
    option("steps", f"{ACTOR}.shuffle", {False: "samples are not shuffled before a pass", True: "samples are shuffled before a pass"}),
    option("steps", "trainer.v1.trainer_mode", {
        "sync": "sampling waits for the update", "colocate_async": "sampling runs ahead of the update, on the same devices",
        "separate_async": "sampling runs beside the update, on other devices",
    }),
    option("steps", "trainer.total_epochs", "passes over the prompts: {value}"),
    option("optimizer", f"{ACTOR}.optim.lr", "learning rate {value}", column="lr", file=FILES[ACTOR], key="optim.lr"),
    option("optimizer", f"{ACTOR}.optim.clip_grad", "the gradient's norm is cut at {value}", column="max_grad_norm"),
    option("optimizer", f"{ACTOR}.optim.weight_decay", "weight decay {value} (AdamW)", file=FILES[ACTOR], key="optim.weight_decay"),
    option("optimizer", f"{ACTOR}.optim.lr_scheduler_type", {
        "constant": "the learning rate stays, after the warm-up",
        "cosine": "after the warm-up the learning rate falls as a half cosine to min_lr_ratio of it",
    }),
    option("optimizer", f"{ACTOR}.optim.lr_warmup_steps_ratio", "the share {value} of all steps is warm-up", file=FILES[ACTOR],
           key="optim.lr_warmup_steps_ratio"),
    option("optimizer", f"{ACTOR}.fsdp_config.model_dtype", {
        "fp32": "weights are float32", "bf16": "weights and optimizer states are bfloat16", "bfloat16": "weights and optimizer states are bfloat16",
    }),
    line("optimizer", "verl/workers/engine/fsdp/transformer_impl.py", "param_dtype = torch.bfloat16", "FSDPEngine._build_fsdp_module",
         "the model computes in bfloat16, and gradients are reduced in float32"),
    unread("optimizer", f"{ACTOR}.fsdp_config.dtype", "engine/fsdp.yaml", "dtype",
           "read by Megatron alone: with FSDP, mixed_precision acts, which stands in no YAML file"),
    unread("optimizer", f"{ACTOR}.grad_clip", "actor/dp_actor.yaml", "grad_clip",
           "no line of the package reads it: actor.optim.clip_grad is what acts"),
    unread("optimizer", "critic.grad_clip", "critic/dp_critic.yaml", "grad_clip",
           "no line of the package reads it: critic.optim.clip_grad is what acts"),
    unread("optimizer", f"{ACTOR}.freeze_vision_tower", "actor/actor.yaml", "freeze_vision_tower",
           "no line of the package reads it: the vision tower is trained"),
    line("masks", LOSSES, 'response_mask = data["response_mask"].to(bool)', "ppo_loss",
         "prompts and what tools wrote are not trained on", tool_loss=False, prompt_loss=False),
]  # fmt: skip

CELLS = CREDIT_CELLS + LOSS_CELLS + RUN_CELLS
NAMES = [
    lambda root: ["reward.reward_kwargs", *(one.option for one in OVERLONG_CELLS)],
    names.yaml_keys(CONFIG + "ppo_trainer.yaml"),
    names.yaml_keys(CONFIG + "_generated_ppo_trainer.yaml"),
    names.yaml_keys(CONFIG + "_generated_ppo_megatron_trainer.yaml"),
    lambda root: ["--config-path", "--config-name", "--config-dir"],  # Hydra's own
]
