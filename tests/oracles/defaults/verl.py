"""verl: its trainer of PPO and GRPO with FSDP, ``verl.trainer.main_ppo``."""

from typing import Any

from . import names
from .cells import Cell, Value, cell, fixed, inert, value
from .source import code, yaml_value

CONFIG = "verl/trainer/config/"
ALGOS, LOSSES = "verl/trainer/ppo/core_algos.py", "verl/workers/utils/losses.py"
FILES = {  # the first part of an option's name -> the file that states its default
    "algorithm.rollout_correction": CONFIG + "algorithm/rollout_correction.yaml",
    "algorithm": CONFIG + "ppo_trainer.yaml",
    "actor_rollout_ref.actor.optim": CONFIG + "optim/fsdp.yaml",
    "actor_rollout_ref.actor": CONFIG + "actor/actor.yaml",
    "actor_rollout_ref.rollout": CONFIG + "rollout/rollout.yaml",
    "critic": CONFIG + "critic/critic.yaml",
    "data": CONFIG + "data/legacy_data.yaml",
}
INSIDE = ("algorithm",)  # prefixes that stand in the file too


def option(
    slot: str, name: str, says: str | dict[Any, Value | str], *, column: str = "", file: str = "", key: str = ""
) -> Cell:
    """``file``, ``key``: where the default stands, if not in the file of the prefix under the rest of the name."""
    prefix = next(prefix for prefix in FILES if name.startswith(prefix + "."))
    rest = name if prefix in INSIDE else name.removeprefix(prefix + ".")
    return cell(slot, name, yaml_value(file or FILES[prefix], key or rest), says, column=column, entry="main_ppo")


def line(slot: str, file: str, text: str, of: str, says: str, **columns: Any) -> Cell:
    return fixed(slot, code(file, text, of=of), says, columns=columns, entry="main_ppo")


ACTOR, ROLLOUT, CORRECTION = "actor_rollout_ref.actor", "actor_rollout_ref.rollout", "algorithm.rollout_correction"
GROUP_MEAN = "reward minus the group's mean"
ESTIMATORS = {
    "gae": value("GAE with a critic, whitened over the batch (ddof 1, eps 1e-8 on the variance)", columns={"advantage": "gae"}),
    "grpo": value(f"{GROUP_MEAN}, divided by its std", columns={"advantage": "group", "ddof": 1, "eps": 1e-6}),
    "grpo_vectorized": value(f"{GROUP_MEAN}, divided by its std", columns={"advantage": "group", "ddof": 1, "eps": 1e-6}),
    "rloo": value("reward minus the mean of the others", columns={"advantage": "leave_one_out"}),
    "rloo_vectorized": value("reward minus the mean of the others", columns={"advantage": "leave_one_out"}),
    "reinforce_plus_plus": value("discounted returns, whitened over the batch", columns={"advantage": "reinforce_plus_plus"}),
    "reinforce_plus_plus_baseline": value(
        f"{GROUP_MEAN}, whitened over the batch", columns={"advantage": "reinforce_plus_plus_baseline"}
    ),
    "remax": "reward minus that of the greedy completion",
    "opo": "reward minus the group's mean, weighted by length",
    "gpg": f"{GROUP_MEAN}, times the batch over the number of rewards that are not zero",
    "grpo_passk": "the best completion of a group against the second, all others 0",
    "gdpo": "several rewards, each normalised in its group, their sum over the batch",
    "optimal_token_baseline": "a baseline per token that makes the variance least",
    "tir_optimal_token_baseline": "a baseline per token that makes the variance least, over several turns",
}  # fmt: skip
LOSS_MODES = {
    "vanilla": value("the clipped loss of PPO, with the dual clip", loss="ppo_clip", columns={"ratio": "token"}),
    "gspo": value(
        "GSPO's ratio of sequences, divided as loss_agg_mode says", loss="gspo", columns={"ratio": "sequence"}
    ),
    "cispo": value("-w log p A with a detached ratio, clipped on both sides", loss="cispo"),
    "sapo": "a sigmoid of the ratio; loss_agg_mode is not read, always seq-mean-token-mean",
    "geo_mean": "GMPO: a geometric mean over the tokens; loss_agg_mode is not read, and a mean over the micro-batch is taken",
    "gpg": value("-log p A, without a ratio", loss="reinforce"),
    "dppo_tv": "the ratio, masked where total variation has moved too far; the ratio is cut at clip_ratio_c",
    "dppo_kl": "the ratio, masked where a binary KL has moved too far; the ratio is cut at clip_ratio_c",
    "clip_cov": "a few tokens of high covariance lose their gradient",
    "kl_cov": "tokens of highest covariance pay the absolute log-ratio",
    "dro": "a quadratic penalty on the log-ratio",
    "bypass_mode": "chosen by rollout_correction.loss_type",
}
MODES = {
    "token-mean": value(
        "kept tokens of the whole mini-batch over all ranks, so that micro-batches do not matter",
        columns={"aggregation": "token_mean", "processes": True},
    ),
    "seq-mean-token-mean": value(
        "mean over each row's tokens, then over ppo_mini_batch_size x n rows", columns={"aggregation": "sequence_mean"}
    ),
    "seq-mean-token-sum": "sums over tokens, divided by ppo_mini_batch_size x n rows",
    "seq-mean-token-sum-norm": value(
        "sums over tokens, divided by rows and by loss_scale_factor, or by the padded width of the responses",
        columns={"aggregation": "fixed_length"},
    ),
    "token-sum": "nothing: the sum over all tokens and ranks",
}
KL = {
    "kl": value("k1", columns={"kl": "k1"}), "k1": value("k1", columns={"kl": "k1"}),
    "abs": value("the absolute log-ratio", columns={"kl": "abs"}),
    "mse": value("k2", columns={"kl": "k2"}), "k2": value("k2", columns={"kl": "k2"}),
    "low_var_kl": value("k3, log-ratio cut at 20 and value at 10", columns={"kl": "k3"}),
    "k3": value("k3, log-ratio cut at 20 and value at 10", columns={"kl": "k3"}),
}  # fmt: skip
OVERLONG, MANAGER = "reward.reward_kwargs.overlong_buffer_cfg", "verl/experimental/reward_loop/reward_manager/dapo.py"
TRUNCATED = [
    cell("truncated", "reward.reward_manager.name", yaml_value(CONFIG + "reward/reward.yaml", "reward_manager.name"), {
        "naive": "completions cut at the budget keep what they earned",
        "dapo": "completions near the budget are punished, where overlong_buffer_cfg is on",
    }, entry="main_ppo"),
    cell("truncated", f"{OVERLONG}.enable", code(MANAGER, 'overlong_buffer_cfg = config.reward.get("reward_kwargs", {})'), {
        None: "no punishment near the budget", False: "no punishment near the budget",
        True: "with the manager dapo, a punishment that grows near the budget",
    }, entry="main_ppo"),
    cell("truncated", f"{OVERLONG}.len", code(MANAGER, "overlong_buffer_len = self.overlong_buffer_cfg.len"),
         {None: "not said over how many tokens"}, entry="main_ppo"),
    cell("truncated", f"{OVERLONG}.penalty_factor", code(MANAGER, "overlong_penalty_factor = self.overlong_buffer_cfg.penalty_factor"),
         {None: "not said how much"}, entry="main_ppo"),
    cell("truncated", "reward.reward_kwargs.max_resp_len", code(MANAGER, 'self.max_resp_len = config.reward.get("reward_kwargs", {})'),
         {None: "not said which budget, and then it is refused"}, entry="main_ppo"),
]  # fmt: skip

CELLS = [
    option("advantage", "algorithm.adv_estimator", ESTIMATORS),
    option("advantage", "algorithm.norm_adv_by_std_in_grpo", {
        True: "with grpo, divided by the group's std",
        False: value("with grpo, not divided, as Dr. GRPO has it", columns={"advantage": "group_mean"}),
    }),
    line("advantage", ALGOS, "id2std[idx] = torch.std(scores_tensor)", "compute_grpo_outcome_advantage",
         "with grpo the std has ddof 1, and 1e-6 is added to it"),
    line("dead groups", ALGOS, "id2mean[idx] = torch.tensor(0.0)", "compute_grpo_outcome_advantage",
         "a group of one keeps its raw reward as advantage; with rloo_vectorized it gets 0"),
    option("dead groups", "algorithm.filter_groups.enable", {
        False: "groups that all earn the same stay, with advantage 0", True: "they are dropped, and others are sampled",
    }),
    option("kl", "algorithm.use_kl_in_reward", {
        False: "no KL in the reward", True: value("a KL is taken off each token's reward", columns={"kl_place": "reward"}),
    }),
    option("kl", "algorithm.kl_penalty", {name: f"in the reward, if there: {words.says}" for name, words in KL.items()}),
    option("kl", "algorithm.kl_ctrl.kl_coef", "in the reward, if there: {value}"),
    option("kl", f"{ACTOR}.use_kl_loss", {
        False: "no KL in the loss", True: value("a KL in the loss, divided as the policy loss", columns={"kl_place": "loss"}),
    }),
    option("kl", f"{ACTOR}.kl_loss_type", {name: f"in the loss, if there: {words.says}" for name, words in KL.items()}
           | {f"{name}+": f"{words.says}, with the gradient of k2" for name, words in KL.items()}),
    option("kl", f"{ACTOR}.kl_loss_coef", "in the loss, if there: {value}"),
    fixed("reference", code("verl/trainer/main_ppo_v0.py", "if need_reference_policy(config) and not ref_in_actor:"),
          "there is one only with a KL in the reward or in the loss", entry="main_ppo"),
    option("clip", f"{ACTOR}.clip_ratio_low", "the ratio is clipped below at 1 - {value}", column="clip_low"),
    option("clip", f"{ACTOR}.clip_ratio_high", "above at 1 + {value}", column="clip_high"),
    option("clip", f"{ACTOR}.clip_ratio_c", "where the advantage is negative, the loss is bounded at the ratio {value}: the dual clip is on",
           column="dual_clip"),
    inert("clip", f"{ACTOR}.clip_ratio", yaml_value(FILES[ACTOR], "clip_ratio"),
          "read only where clip_ratio_low or clip_ratio_high is null; both are 0.2, so that to set it alone changes nothing", entry="main_ppo"),
    line("clip", ALGOS, "negative_approx_kl = torch.clamp(negative_approx_kl, min=-20.0, max=20.0)",
         "compute_policy_loss_vanilla", "the log-ratio is cut at 20 on both sides"),
    option("ratio", f"{ACTOR}.policy_loss.loss_mode", LOSS_MODES),
    option("aggregation", f"{ACTOR}.loss_agg_mode", MODES),
    option("aggregation", f"{ACTOR}.loss_scale_factor", {None: "with seq-mean-token-sum-norm the padded width is taken"}),
    line("aggregation", ALGOS, "seq_mask = (seq_mask > 0).float()  # exclude fully masked sequences", "agg_loss",
         "a row without kept tokens is left out of the sum, and the trainer's count has it in"),
    option("entropy", f"{ACTOR}.entropy_coeff", "{value} times the entropy is taken off the loss, divided as the policy loss",
           column="entropy_coef"),
    option("value", "algorithm.gamma", "gamma is {value}", column="gamma"),
    option("value", "algorithm.lam", "lambda is {value}; at 1, with gae, advantages are Monte Carlo returns less the value", column="gae_lambda"),
    option("value", "critic.cliprange_value", "a value may move {value} from its old one", column="value_clip"),
    line("value", ALGOS, "vf_loss = 0.5 * agg_loss(", "compute_value_loss",
         "half the larger of the two squared errors, divided as the policy loss; the critic is a model of its own",
         critic="separate"),
    option("value", "critic.optim.lr", "the critic's learning rate is {value}", column="critic_lr"),
    *TRUNCATED,
    option("sampling", f"{ROLLOUT}.n", "completions per prompt: {value}", column="group_size"),
    option("sampling", f"{ROLLOUT}.temperature", "temperature {value}, also where log-probs are computed", column="temperature"),
    option("sampling", f"{ROLLOUT}.top_p", "top-p {value}", column="top_p"),
    option("sampling", f"{ROLLOUT}.top_k", {-1: value("no top-k", columns={"top_k": None})}, column="top_k"),
    option("sampling", "data.max_response_length", "at most {value} new tokens", column="max_new_tokens"),
    option("sampling", "data.train_batch_size", "{value} prompts per step", column="prompts_per_step"),
    option("steps", f"{ACTOR}.ppo_mini_batch_size", "an optimizer step for every {value} prompts, with all their completions"),
    option("steps", f"{ACTOR}.ppo_epochs", "each batch of samples is gone through {value} times", column="inner_epochs"),
    option("correction", f"{CORRECTION}.rollout_is", {
        None: value("none", columns={"correction": "none"}), "token": "a weight per token, cut above",
        "sequence": "a weight per completion, the product of its tokens', cut above",
    }, key="rollout_is"),
    option("correction", f"{CORRECTION}.rollout_is_threshold", "with rollout_is, the weight is cut at {value}", key="rollout_is_threshold"),
    option("correction", f"{CORRECTION}.rollout_rs", {None: "nothing is rejected"}, key="rollout_rs"),
    option("correction", f"{CORRECTION}.bypass_mode", {
        False: "old log-probs are computed again by the trainer", True: "the sampler's log-probs stand for the old ones",
    }, key="bypass_mode"),
    option("optimizer", f"{ACTOR}.optim.lr", "learning rate {value}", column="lr", file=FILES[ACTOR], key="optim.lr"),
    option("optimizer", f"{ACTOR}.optim.clip_grad", "the gradient's norm is cut at {value}", column="max_grad_norm"),
    inert("optimizer", f"{ACTOR}.grad_clip", yaml_value(CONFIG + "actor/dp_actor.yaml", "grad_clip"),
          "no line of the package reads it: actor.optim.clip_grad is what acts", entry="main_ppo"),
    inert("optimizer", "critic.grad_clip", yaml_value(CONFIG + "critic/dp_critic.yaml", "grad_clip"),
          "no line of the package reads it: critic.optim.clip_grad is what acts", entry="main_ppo"),
    line("masks", LOSSES, 'response_mask = data["response_mask"].to(bool)', "ppo_loss",
         "only what the mask of the response keeps: in several turns what the model wrote, without the tools' words",
         tool_loss=False, prompt_loss=False),
]  # fmt: skip
NAMES = [
    # in no YAML: the manager of rewards takes what stands there
    lambda root: ["reward.reward_kwargs", *(one.option for one in TRUNCATED[1:])],
    names.yaml_keys(CONFIG + "ppo_trainer.yaml"),
    names.yaml_keys(CONFIG + "_generated_ppo_trainer.yaml"),
    names.yaml_keys(CONFIG + "_generated_ppo_megatron_trainer.yaml"),
    lambda root: ["--config-path", "--config-name", "--config-dir"],  # Hydra's own
]
