"""OpenRLHF: ``openrlhf.cli.train_ppo_ray``; its other programs are in ``openrlhf_others``."""

from typing import Any

from . import names
from .cells import OTHER, Cell, Value, cell, fixed, inert, value
from .openrlhf_others import DPO, DPO_CELLS, LOSS, SCHEDULE, SFT, SFT_CELLS
from .source import argument, code, given

PPO = "openrlhf/cli/train_ppo_ray.py"
ACTOR, MAKER = "openrlhf/trainer/ray/ppo_actor.py", "openrlhf/trainer/ppo_utils/experience_maker.py"
RATES = 'parser.add_argument(f"--{prefix}.adam.lr", type=float, default=1e-6 if prefix == "actor" else 9e-6)'


def option(slot: str, flag: str, says: str | dict[Any, Value | str], *, column: str = "") -> Cell:
    return cell(slot, flag, argument(PPO, flag), says, column=column, entry="train_ppo_ray")


def line(slot: str, file: str, text: str, says: str, *, of: str | None = None, **columns: Any) -> Cell:
    return fixed(slot, code(file, text, of=of), says, columns=columns, entry="train_ppo_ray")


def of_the_actor(name: str, default: Any, text: str, says: str | dict[Any, Value | str], *, column: str = "") -> Cell:
    """An option that the source writes with an f-string, for the actor and the critic."""
    return cell(
        "optimizer", f"--actor.{name}", given(default, code(PPO, text)), says, column=column, entry="train_ppo_ray"
    )


WHITENED = "whitened over all tokens of the rollout (ddof 0)"
STEP = "the optimizer step, over all micro-batches and ranks"
CREDIT_CELLS = [
    option("advantage", "--algo.advantage.estimator", {
        "gae": value(f"GAE with a critic, then {WHITENED}", columns={"advantage": "gae", "ddof": 0}),
        "group_norm": value("reward minus the group's mean, divided by the group's std", columns={"advantage": "group", "ddof": 1, "eps": 1e-9}),
        "dr_grpo": value("reward minus the group's mean, not divided; the loss stays a mean over tokens",
                         columns={"advantage": "group_mean"}),
        "rloo": value("reward minus the mean of the prompt's other completions", columns={"advantage": "leave_one_out"}),
        "reinforce": value(f"discounted returns, {WHITENED}", columns={"advantage": "reinforce_plus_plus", "ddof": 0}),
        "reinforce_baseline": value(f"reward minus the group's mean, {WHITENED}",
                                    columns={"advantage": "reinforce_plus_plus_baseline", "ddof": 0}),
        "flash_reinforce": "reward minus the mean of the whole rollout, not whitened",
    }),
    line("advantage", MAKER, "rewards = (rewards - rewards.mean(-1, keepdim=True)) / (rewards.std(-1, keepdim=True) + 1e-9)",
         "with group_norm the std has ddof 1, and 1e-9 is added to it"),
    line("advantage", MAKER, "rstd = var.clamp(min=1e-8).rsqrt()",
         "where advantages are whitened, the variance is held at 1e-8 or above"),
    option("advantage", "--reward.clip_range",
           "rewards are cut at {value}, after the mean is taken off, where the estimator takes one off"),
    option("advantage", "--algo.advantage.no_std_norm", {
        False: "with gae, reinforce and reinforce_baseline, advantages are divided by the std of all tokens",
        True: "with gae, reinforce and reinforce_baseline, advantages are centred and not divided",
    }),
    inert("advantage", "--algo.advantage.no_std_norm", argument(PPO, "--algo.advantage.no_std_norm"),
          "group_norm does not read it: the group's std stays", entry="train_ppo_ray"),
    line("dead groups", PPO, 'if args.algo.advantage.estimator in ["rloo", "reinforce_baseline", "group_norm", "dr_grpo"]:',
         "a group of one is refused for estimators with a group"),
    option("dead groups", "--algo.dynamic_filtering_enable", {
        False: "a group that all earns the same stays, in the batch and in its counts, with advantage 0 up to rounding before any whitening",
        True: "groups whose mean score is not inside dynamic_filtering_range are dropped, and other prompts sampled",
    }),
    option("dead groups", "--algo.dynamic_filtering_range", "with dynamic_filtering_enable, kept where the mean score is inside {value}"),
    option("kl", "--algo.kl.use_loss", {
        False: value("the KL is taken off each token's reward", columns={"kl_place": "reward"}),
        True: value("the KL is in the loss", columns={"kl_place": "loss"}),
    }),
    option("kl", "--algo.kl.estimator", {
        "k1": value("k1, cut at 10 on both sides; in the loss its gradient is 0 in expectation", columns={"kl": "k1"}),
        "k2": value("k2, with the value cut at 10", columns={"kl": "k2"}),
        "k3": value("k3, with the value cut at 10", columns={"kl": "k3"}),
    }),
    option("kl", "--algo.kl.init_coef", "its coefficient is {value}", column="kl_coef"),
    option("kl", "--algo.kl.target", {None: "that coefficient stays as it is", OTHER: "that coefficient follows a KL of {value} per token"},
           column="kl_target"),
    option("kl", "--algo.kl.unbiased_gradient", {
        False: "in the loss it has the gradient of its own formula, none beyond the cut",
        True: value("in the loss every estimator has the gradient of the reverse KL, weighed by the ratio, at most 10",
                    columns={"old_ratio_on_kl": True}),
    }),
    line("kl", ACTOR, "kl_loss = aggregate_loss(kl, experience.action_mask, **loss_batch_info)",
         f"in the loss it is divided by the kept tokens of {STEP}, whatever loss_agg_mode is"),
    line("reference", PPO, "ref_model = RayActorGroup(", "there is one while init_coef is above 0, and so by default",
         reference_model=True),
    line("reference", PPO, "ref_model.async_init_model_from_pretrained(strategy, args.actor.model_name_or_path)",
         "it has the weights that actor.model_name_or_path names, and stays as it is"),
    option("value", "--algo.advantage.gamma", "gamma is {value} with gae and reinforce, and always 1 with the others", column="gamma"),
    option("value", "--algo.advantage.lambd", "lambda is {value}; read by gae", column="gae_lambda"),
    option("value", "--critic.value_clip", "a value may move {value} from its old one", column="value_clip"),
    line("value", LOSS, "return 0.5 * loss",
         f"half the larger of the two squared errors, divided by the kept tokens of {STEP}", critic="separate"),
    line("value", MAKER, "values = action_mask * values", "with gae, what tools wrote are steps, with the value and the reward 0"),
    cell("value", "--critic.adam.lr", given(9e-6, code(PPO, RATES)), "the critic's learning rate is {value}", column="critic_lr",
         entry="train_ppo_ray"),
    option("value", "--critic.freezing_steps", {
        -1: "the actor is trained from the first step", OTHER: "the actor is trained after step {value}, the critic from the first",
    }),
]  # fmt: skip

LOSS_CELLS = [
    option("clip", "--actor.eps_clip", "the ratio is clipped below at 1 - {value}", column="clip_low"),
    option("clip", "--actor.eps_clip", "above at 1 + {value}", column="clip_high"),
    option("clip", "--actor.eps_clip_low_high", {None: "both bounds are eps_clip", OTHER: "the two bounds are {value}, and eps_clip is not read"}),
    option("clip", "--actor.dual_clip", {
        None: value("no further bound where the advantage is negative", columns={"dual_clip": None}),
        OTHER: "where the advantage is negative, the loss is bounded at the ratio {value}: the dual clip is on",
    }, column="dual_clip"),
    line("clip", LOSS, "policy_log_ratio = raw_policy_log_ratio.clamp(min=-20.0, max=20.0)", "the log-ratio is cut at 20 on both sides"),
    option("aggregation", "--actor.loss_agg_mode", {
        "token-mean": value(f"the kept tokens of {STEP}", columns={"aggregation": "token_mean", "processes": True}),
        "seq-mean-token-mean": value(f"each row's tokens, then the rows with kept tokens of {STEP}",
                                     columns={"aggregation": "sequence_mean", "processes": True}),
    }),
    option("ratio", "--actor.policy_loss_type", {
        "ppo": value("one ratio per token, in the clipped loss of PPO", loss="ppo_clip", columns={"ratio": "token"}),
        "gspo": value("GSPO's ratio of sequences; the loss is then always seq-mean-token-mean", loss="gspo",
                      columns={"ratio": "sequence", "aggregation": "sequence_mean"}),
    }),
    option("entropy", "--actor.entropy_coef", {
        None: value("no entropy in the loss, and none logged", columns={"entropy_coef": 0.0}),
        OTHER: "{value} times the mean entropy of the tokens is taken off the loss",
    }, column="entropy_coef"),
    line("entropy", ACTOR, "loss -= entropy_loss * self.args.actor.entropy_coef",
         f"with a coefficient, it is divided by the kept tokens of {STEP}, whatever loss_agg_mode is"),
    option("correction", "--algo.advantage.is_correction_level", {
        "off": value("none", columns={"correction": "none"}),
        "token": value("each token's loss is weighed by trainer over sampler, if the token is inside the bounds", columns={"correction": "token mask"}),
        "seq": value("rows are dropped by the mean of their tokens' log-ratios; each token of the others has its weight",
                     columns={"correction": "geometric mask"}),
    }),
    option("correction", "--algo.advantage.is_correction_mode", {
        "mask": "if on, what lies outside the bounds counts 0, and stays in the count",
        "clip": value("if on, a token's weight is cut at the bounds", columns={}),
    }),
    option("correction", "--algo.advantage.is_correction_gating", {
        "ratio": "if on, the bounds are on the ratio of trainer and sampler",
        "binary_kl": "if on, the bound is on the KL of this token or another", "tv": "if on, the bound is on how far the probability has moved",
    }),
    option("correction", "--algo.advantage.is_correction_threshold", "if on, the bounds are {value}; one number is an upper bound alone"),
    line("correction", LOSS, "log_ratio = log_probs - rollout_log_probs",
         "with gspo, if on, the ratio is to the sampler, and no bound is read", of="PolicyLoss.forward"),
    line("masks", "openrlhf/trainer/ppo_utils/samples_generator.py", "action_mask[start:end] = 1",
         "prompts and what tools wrote are not trained on", tool_loss=False, prompt_loss=False),
]  # fmt: skip

RUN_CELLS = [
    option("truncated", "--reward.overlong_buffer_len", {
        None: value("they are trained on with what they earned", columns={"overlong": "score"}),
        OTHER: value("the last {value} tokens of the budget cost up to overlong_penalty_factor of reward", columns={"overlong": "penalty"}),
    }),
    option("truncated", "--reward.overlong_penalty_factor", "with overlong_buffer_len, a completion of the whole budget pays {value}"),
    option("truncated", "--reward.stop_properly_penalty_coef", {
        None: "to be cut costs nothing", OTHER: "the reward of a cut completion is multiplied by {value}, or is {value} if that is negative",
    }),
    option("sampling", "--rollout.n_samples_per_prompt", "completions per prompt: {value}", column="group_size"),
    option("sampling", "--rollout.batch_size", "prompts per rollout: {value}", column="prompts_per_step"),
    option("sampling", "--rollout.temperature", "temperature {value}, also where log-probs are computed", column="temperature"),
    option("sampling", "--rollout.top_p", "top-p {value}", column="top_p"),
    option("sampling", "--rollout.max_new_tokens", {
        None: "as many new tokens as data.max_len leaves after the prompt", OTHER: "at most {value} new tokens",
    }, column="max_new_tokens"),
    option("sampling", "--data.max_len", "prompt and completion together have at most {value} tokens"),
    option("steps", "--train.batch_size", "an optimizer step for every {value} completions"),
    option("steps", "--train.micro_batch_size", "rows per rank and micro-batch: {value}", column="micro_batch_size"),
    option("steps", "--train.max_epochs", "passes over each batch of samples: {value}", column="inner_epochs"),
    option("steps", "--train.num_episodes", "passes over the prompts: {value}"),
    option("steps", "--train.async_enable", {False: "sampling waits for the update", True: "sampling runs beside the update"}),
    cell("optimizer", "--actor.adam.lr", given(1e-6, code(PPO, RATES)), "learning rate {value}", column="lr", entry="train_ppo_ray"),
    of_the_actor("max_norm", 1.0, 'parser.add_argument(f"--{prefix}.max_norm", type=float, default=1.0)',
                 "the gradient's norm is cut at {value}", column="max_grad_norm"),
    of_the_actor("adam.weight_decay", 0.0, 'parser.add_argument(f"--{prefix}.adam.weight_decay", type=float, default=0.0)',
                 "weight decay {value} (AdamW)"),
    of_the_actor("adam.betas", [0.9, 0.95], 'parser.add_argument(f"--{prefix}.adam.betas", type=float, nargs=2, default=(0.9, 0.95))',
                 "the betas of AdamW are {value}"),
    of_the_actor("lr_scheduler", "cosine_with_min_lr",
                 'parser.add_argument(f"--{prefix}.lr_scheduler", type=str, default="cosine_with_min_lr")', SCHEDULE),
    of_the_actor("lr_warmup_ratio", 0.03, 'parser.add_argument(f"--{prefix}.lr_warmup_ratio", type=float, default=0.03)',
                 "the share {value} of all steps is warm-up"),
    of_the_actor("min_lr_ratio", 0.1, 'parser.add_argument(f"--{prefix}.min_lr_ratio", type=float, default=0.1)',
                 "the learning rate ends at {value} times its highest"),
]  # fmt: skip

CELLS = CREDIT_CELLS + LOSS_CELLS + RUN_CELLS + DPO_CELLS + SFT_CELLS
OPTIMIZER = ("optim", "muon.lr", "muon.momentum", "adam.lr", "adam.betas", "adam.eps", "adam.weight_decay", "lr_scheduler",
             "lr_warmup_ratio", "min_lr_ratio", "max_norm")  # fmt: skip
NAMES = [
    names.arguments(PPO),
    names.arguments(DPO),
    names.arguments(SFT),
    names.arguments("openrlhf/cli/train_rm.py"),
    # built with an f-string, for the actor and the critic
    lambda root: [f"--{model}.{name}" for model in ("actor", "critic") for name in OPTIMIZER],
]
