"""OpenRLHF: ``openrlhf.cli.train_ppo_ray``, and ``openrlhf.cli.train_dpo``."""

from typing import Any

from . import names
from .cells import Cell, Value, cell, fixed, inert, value
from .source import argument, code, given

PPO, DPO = "openrlhf/cli/train_ppo_ray.py", "openrlhf/cli/train_dpo.py"
ACTOR, MAKER = "openrlhf/trainer/ray/ppo_actor.py", "openrlhf/trainer/ppo_utils/experience_maker.py"
LOSS, UTILS = "openrlhf/models/loss.py", "openrlhf/models/utils.py"
RATES = 'parser.add_argument(f"--{prefix}.adam.lr", type=float, default=1e-6 if prefix == "actor" else 9e-6)'


def option(slot: str, flag: str, says: str | dict[Any, Value | str], *, column: str = "") -> Cell:
    return cell(slot, flag, argument(PPO, flag), says, column=column, entry="train_ppo_ray")


def line(slot: str, file: str, text: str, says: str, **columns: Any) -> Cell:
    return fixed(slot, code(file, text), says, columns=columns, entry="train_ppo_ray")


def dpo(slot: str, flag: str, says: str | dict[Any, Value | str], *, column: str = "") -> Cell:
    return cell(slot, flag, argument(DPO, flag), says, column=column, entry="train_dpo")


CELLS = [
    option("advantage", "--algo.advantage.estimator", {
        "gae": value("GAE with a critic, then whitened over all tokens of the rollout (ddof 0)", columns={"advantage": "gae", "ddof": 0}),
        "group_norm": value("reward minus the group's mean, divided by its std", columns={"advantage": "group", "ddof": 1, "eps": 1e-9}),
        "dr_grpo": value("reward minus the group's mean, not divided; the loss stays a mean over tokens",
                         columns={"advantage": "group_mean"}),
        "rloo": value("reward minus the mean of the others", columns={"advantage": "leave_one_out"}),
        "reinforce": value("returns, whitened over all tokens (ddof 0)", columns={"advantage": "reinforce_plus_plus", "ddof": 0}),
        "reinforce_baseline": value("reward minus the group's mean, whitened over all tokens (ddof 0)",
                                    columns={"advantage": "reinforce_plus_plus_baseline", "ddof": 0}),
        "flash_reinforce": "reward minus the mean of the whole rollout, not whitened",
    }),
    line("advantage", MAKER, "rewards = (rewards - rewards.mean(-1, keepdim=True)) / (rewards.std(-1, keepdim=True) + 1e-9)",
         "with group_norm the std has ddof 1, and 1e-9 is added to it"),
    option("advantage", "--reward.clip_range", "{value}: rewards are cut there after the baseline, so that it is the advantage that is cut"),
    inert("advantage", "--algo.advantage.no_std_norm", argument(PPO, "--algo.advantage.no_std_norm"),
          "read with gae, reinforce and reinforce_baseline alone: with group_norm the std stays", entry="train_ppo_ray"),
    line("dead groups", PPO, 'if args.algo.advantage.estimator in ["rloo", "reinforce_baseline", "group_norm", "dr_grpo"]:',
         "a group of one is refused for estimators with a group"),
    option("dead groups", "--algo.dynamic_filtering_enable", {
        False: "groups that all earn the same stay, with advantage 0 or nearly",
        True: "groups whose mean reward is not inside dynamic_filtering_range are dropped",
    }),
    option("dead groups", "--algo.dynamic_filtering_range", "with dynamic_filtering_enable, kept where the mean reward is inside {value}"),
    option("kl", "--algo.kl.use_loss", {
        False: value("the KL is taken off each token's reward", columns={"kl_place": "reward"}),
        True: value("the KL is in the loss", columns={"kl_place": "loss"}),
    }),
    option("kl", "--algo.kl.estimator", {
        "k1": value("k1, its value cut at 10; in the loss its gradient is 0 in expectation", columns={"kl": "k1"}),
        "k2": value("k2, its value cut at 10", columns={"kl": "k2"}),
        "k3": value("k3, its value cut at 10", columns={"kl": "k3"}),
    }),
    option("kl", "--algo.kl.init_coef", "its coefficient is {value}", column="kl_coef"),
    option("kl", "--algo.kl.target", {None: "the coefficient stays as it is"}, column="kl_target"),
    option("kl", "--algo.kl.unbiased_gradient", {
        False: "in the loss it has the gradient of its own formula, none beyond the cut",
        True: value("in the loss every estimator has the gradient of the reverse KL, weighed by the ratio", columns={"old_ratio_on_kl": True}),
    }),
    line("kl", ACTOR, "kl_loss = aggregate_loss(kl, experience.action_mask, **loss_batch_info)",
         "in the loss it is a mean over tokens, whatever loss_agg_mode says"),
    line("reference", PPO, "            args.ref.num_nodes,", "there is one while the coefficient of the KL is above 0, a frozen copy of the actor's checkpoint"),
    option("clip", "--actor.eps_clip", "the ratio is clipped below at 1 - {value}", column="clip_low"),
    option("clip", "--actor.eps_clip", "and above at 1 + {value}", column="clip_high"),
    option("clip", "--actor.eps_clip_low_high", {None: "both bounds are eps_clip"}),
    option("clip", "--actor.dual_clip", {None: value("no further bound where the advantage is negative", columns={"dual_clip": None})}, column="dual_clip"),
    line("clip", LOSS, "policy_log_ratio = raw_policy_log_ratio.clamp(min=-20.0, max=20.0)", "the log-ratio is cut at 20 on both sides"),
    option("ratio", "--actor.policy_loss_type", {
        "ppo": value("one ratio per token, in the clipped loss of PPO", loss="ppo_clip", columns={"ratio": "token"}),
        "gspo": value("GSPO's ratio of sequences; the loss is then seq-mean-token-mean", loss="gspo",
                      columns={"ratio": "sequence", "aggregation": "sequence_mean"}),
    }),
    option("aggregation", "--actor.loss_agg_mode", {
        "token-mean": value("kept tokens of the whole batch of an optimizer step over all ranks",
                            columns={"aggregation": "token_mean", "processes": True}),
        "seq-mean-token-mean": value("mean over each row's tokens, then over the rows of an optimizer step on all ranks",
                                     columns={"aggregation": "sequence_mean", "processes": True}),
    }),
    option("entropy", "--actor.entropy_coef", {None: value("no entropy in the loss, and none logged", columns={"entropy_coef": 0.0})},
           column="entropy_coef"),
    line("entropy", ACTOR, "loss -= entropy_loss * self.args.actor.entropy_coef", "with a coefficient, the mean entropy of the tokens is taken off the loss"),
    option("value", "--critic.value_clip", "a value may move {value} from its old one", column="value_clip"),
    option("value", "--algo.advantage.gamma", "gamma is {value}", column="gamma"),
    option("value", "--algo.advantage.lambd", "lambda is {value}; at 1 returns are Monte Carlo", column="gae_lambda"),
    line("value", LOSS, "return 0.5 * loss", "half the larger of the two squared errors, a mean over tokens; the critic is a model of its own",
         critic="separate"),
    cell("value", "--critic.adam.lr", given(9e-6, code(PPO, RATES)), "the critic's learning rate is {value}", column="critic_lr",
         entry="train_ppo_ray"),
    option("truncated", "--reward.overlong_buffer_len", {None: "completions cut at the budget keep what they earned"}),
    option("truncated", "--reward.overlong_penalty_factor", "with overlong_buffer_len, a completion of the whole budget pays {value}"),
    option("truncated", "--reward.stop_properly_penalty_coef", {None: "being cut costs nothing"}),
    option("sampling", "--rollout.n_samples_per_prompt", "completions per prompt: {value}", column="group_size"),
    option("sampling", "--rollout.batch_size", "{value} prompts per rollout", column="prompts_per_step"),
    option("sampling", "--rollout.temperature", "temperature {value}, also where log-probs are computed", column="temperature"),
    option("sampling", "--rollout.top_p", "top-p {value}", column="top_p"),
    option("sampling", "--rollout.max_new_tokens", {None: "as many new tokens as data.max_len leaves after the prompt"},
           column="max_new_tokens"),
    option("sampling", "--data.max_len", "prompt and completion together have at most {value} tokens"),
    option("steps", "--train.batch_size", "an optimizer step for every {value} completions"),
    option("steps", "--train.max_epochs", "each rollout is gone through {value} times", column="inner_epochs"),
    option("correction", "--algo.advantage.is_correction_level", {
        "off": value("none", columns={"correction": "none"}), "token": "a weight per token",
        "seq": "rows are dropped by the mean of their tokens' log-ratios, the others weighed by token",
    }),
    option("correction", "--algo.advantage.is_correction_mode", {
        "mask": "if on, what lies outside the bounds counts 0", "clip": "if on, the weight is cut at the bounds",
    }),
    option("correction", "--algo.advantage.is_correction_threshold", "if on, the bounds are {value}"),
    cell("optimizer", "--actor.adam.lr", given(1e-6, code(PPO, RATES)), "learning rate {value}", column="lr", entry="train_ppo_ray"),
    cell("optimizer", "--actor.max_norm", given(1.0, code(PPO, 'parser.add_argument(f"--{prefix}.max_norm", type=float, default=1.0)')),
         "the gradient's norm is cut at {value}", column="max_grad_norm", entry="train_ppo_ray"),
    dpo("preference", "--model.beta", "beta is {value}", column="beta"),
    dpo("preference", "--model.ipo_enable", {
        False: value("minus the log sigmoid of beta times the difference of the summed log-ratios", loss="dpo"),
        True: value("IPO, on summed log-probs", loss="ipo"),
    }),
    dpo("preference", "--model.label_smoothing", "{value} of the labels are taken to be the wrong way round (cDPO)"),
    dpo("preference", "--model.nll_loss_coef", "{value} times the NLL of the chosen completions is added", column="sft_coef"),
    dpo("truncated", "--data.max_len", "prompt and completion together have at most {value} tokens"),
    dpo("optimizer", "--adam.lr", "learning rate {value}", column="lr"),
    dpo("optimizer", "--max_norm", "the gradient's norm is cut at {value}", column="max_grad_norm"),
]  # fmt: skip
OPTIMIZER = ("optim", "muon.lr", "muon.momentum", "adam.lr", "adam.betas", "adam.eps", "adam.weight_decay", "lr_scheduler",
             "lr_warmup_ratio", "min_lr_ratio", "max_norm")  # fmt: skip
NAMES = [
    names.arguments(PPO),
    names.arguments(DPO),
    names.arguments("openrlhf/cli/train_sft.py"),
    names.arguments("openrlhf/cli/train_rm.py"),
    # built with an f-string, for the actor and the critic
    lambda root: [f"--{model}.{name}" for model in ("actor", "critic") for name in OPTIMIZER],
]
