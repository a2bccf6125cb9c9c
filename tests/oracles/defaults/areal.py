"""AReaL: its PPOTrainer, which is its GRPO too, then DPO, reward models and SFT. Options as they stand in a user's YAML."""

from typing import Any

from . import names
from .areal_other import ARGS, OTHER_CELLS, RATE
from .cells import Cell, Value, cell, fixed, inert, value
from .source import code, field, given

ACTOR, CRITIC = "areal/trainer/ppo/actor.py", "areal/trainer/ppo/critic.py"
FORMULAS, DATA, TRAINER = "areal/utils/functional/functional.py", "areal/utils/data.py", "areal/trainer/rl_trainer.py"
ENGINE, WORKFLOW = "areal/engine/fsdp_engine.py", "areal/workflow/multi_turn.py"
LOSS, ADVANTAGES = "ppo_actor_loss_fn", "PPOActor._compute_advantages"
OWNERS = {  # the first part of an option's name -> the dataclasses that state its default
    "actor.reward_norm": "NormConfig",
    "actor.adv_norm": "NormConfig",
    "actor.rejection_sampling": "RejectionSamplingConfig",
    "actor.optimizer": "OptimizerConfig",
    "actor": "PPOActorConfig",
    "critic.optimizer": "OptimizerConfig",
    "critic": "PPOCriticConfig",
    "gconfig": "GenerationHyperparameters",
    "rollout": "InferenceEngineConfig",
    "teacher": "TeacherConfig",
    "train_dataset": "_DatasetConfig",
}


def option(
    slot: str, name: str, says: str | dict[Any, Value | str], *, column: str = "", owner: str = "", stated: Any = None
) -> Cell:
    """``owner``: the dataclass, if it is not that of the prefix. ``stated``: a default that is an expression there."""
    prefix = next(prefix for prefix in OWNERS if name.startswith(prefix + "."))
    read = field(ARGS, f"{owner or OWNERS[prefix]}.{name.removeprefix(prefix + '.')}")
    return cell(slot, name, read if stated is None else given(stated, read), says, column=column, entry="PPOTrainer")


def without(slot: str, name: str, words: str, *, owner: str = "PPOConfig", **columns: Any) -> Cell:
    """A block that is null by default."""
    return cell(
        slot,
        name,
        field(ARGS, f"{owner}.{name.rpartition('.')[2]}"),
        {None: value(words, columns=columns)},
        entry="PPOTrainer",
    )


def line(slot: str, file: str, text: str, of: str, says: str, **columns: Any) -> Cell:
    return fixed(slot, code(file, text, of=of), says, columns=columns, entry="PPOTrainer")


def no_effect(slot: str, name: str, says: str) -> Cell:
    return inert(slot, f"actor.{name}", field(ARGS, f"PPOActorConfig.{name}"), says, entry="PPOTrainer")


LEVELS = {
    "batch": "over all rewards of the batch, on all processes",
    "group": "over group_size rewards that stand next to each other",
    None: "left out",
}

PPO_CELLS = [
    line("advantage", ACTOR, "newgaelam = delta + self.discount * self.gae_lambda * lastgaelam", ADVANTAGES,
         "always GAE on reward and KL; without a critic values are 0, so that it is the return of each token"),
    without("advantage", "actor.reward_norm", "rewards are not normalised: without this block, a critic or adv_norm there is no baseline",
            owner="PPOActorConfig"),
    option("advantage", "actor.reward_norm.mean_level", {
        "batch": f"if the block is there, the mean is taken {LEVELS['batch']}",
        "group": value(f"if the block is there, the mean is taken {LEVELS['group']}; with std_level group this is GRPO",
                       columns={"advantage": "group"}),
        None: "if the block is there, no mean is taken off",
    }),
    option("advantage", "actor.reward_norm.mean_leave1out", {
        False: "the mean is of all", True: value("of all others, which std_level group cancels again: set std_level to null for RLOO",
                                                 columns={"advantage": "leave_one_out"}),
    }),
    option("advantage", "actor.reward_norm.std_level", {
        "batch": "if the block is there, the std is of the whole batch, around the means that were taken off",
        "group": "if the block is there, the std is of the group",
        None: value("if the block is there, nothing is divided; with mean_level group this is Dr. GRPO's advantage",
                    columns={"advantage": "group_mean"}),
    }),
    option("advantage", "actor.reward_norm.std_unbiased", {
        True: "if the block is there, the std divides by N - 1", False: value("the std divides by N", columns={"ddof": 0}),
    }),
    option("advantage", "actor.reward_norm.eps", "if the block is there, {value} is added to the std, not to the variance"),
    option("advantage", "actor.reward_norm.group_size",
           "{value}, and not gconfig.n_samples: with level group it has to be set, or each reward is a group of its own"),
    without("advantage", "actor.adv_norm", "advantages of tokens are not normalised", owner="PPOActorConfig"),
    option("advantage", "actor.adv_norm.mean_level", {
        "batch": "if the block is there, advantages are normalised over the kept tokens of the batch on all processes",
        "group": "if the block is there, over the kept tokens of adv_norm.group_size rows", None: "no mean is taken off",
    }),
    option("advantage", "actor.adv_norm.std_level", {
        "batch": "if the block is there, divided by the std of the kept tokens of the batch",
        "group": "by that of adv_norm.group_size rows", None: "nothing is divided",
    }),
    option("advantage", "actor.adv_norm.eps", "if the block is there, {value} is added to the std of the tokens"),
    option("advantage", "actor.reward_bias", "{value} is added to each reward first"),
    option("advantage", "actor.reward_scaling", "then rewards are multiplied by {value}"),
    option("advantage", "actor.reward_clip", "then they are cut at plus and minus {value}, before they are normalised"),
    line("dead groups", TRAINER, "should_accept_fn=dynamic_filter_fn,", "PPOTrainer.train",
         "groups that all earn the same stay, with advantage 0 where a mean is taken off; train() takes a dynamic_filter_fn that drops them"),
    line("dead groups", DATA, "mean[s] = group_mean.expand_as(xx)", "Normalization.__call__",
         "with level group and group_size 1, its default, every advantage is 0; with mean_leave1out it is the raw reward"),
    line("dead groups", DATA, "std[s] = group_std.expand_as(xx)", "Normalization.__call__",
         "rewards behind the last whole group keep a std of 0 and are divided by eps alone"),
    option("kl", "actor.kl_ctl", "its coefficient is {value}, also where there is no reference", column="kl_coef"),
    option("kl", "actor.kl_estimator", {
        "k1": value("k1, cut at 10 on both sides", columns={"kl": "k1"}), "k2": value("k2, cut at 10", columns={"kl": "k2"}),
        "k3": value("k3, cut at 10", columns={"kl": "k3"}),
    }),
    line("kl", ACTOR, "rewards = -self.kl_ctl * self.kl_estimator(old_logp, ref_logp)", ADVANTAGES,
         "it is taken off each token's reward, of the old log-probs; none is in the loss", kl_place="reward"),
    without("kl", "teacher", "there is no teacher"),
    option("kl", "teacher.rl_loss_weight", {
        1.0: "with a teacher, the mean of logp - teacher_logp is added, whose expected gradient does not contain the teacher",
        0: "with a teacher, the policy loss is dropped and the teacher is learned by reverse KL, weighed by the ratio",
    }),
    option("kl", "teacher.distill_loss_weight", "with a teacher, its term is multiplied by {value}"),
    without("reference", "ref", "there is none, and its log-prob counts as 0: kl_ctl then pays for unlikely tokens", reference_model=False),
    line("reference", TRAINER, "if config.actor.kl_ctl > 0 and config.ref is not None:", "PPOTrainer.__init__",
         "with the block ref it is the checkpoint of ref.path, and stays as it is; with kl_ctl 0 it is not loaded"),
    option("clip", "actor.eps_clip", "the ratio is clipped below at 1 - {value}", column="clip_low"),
    option("clip", "actor.eps_clip_higher", {None: "above at 1 + eps_clip"}, column="clip_high"),
    option("clip", "actor.c_clip", {None: value("no further bound where the advantage is negative", columns={"dual_clip": None})},
           column="dual_clip"),
    option("ratio", "actor.importance_sampling_level", {
        "token": value("one ratio per token", columns={"ratio": "token"}),
        "sequence": value("GSPO's ratio of sequences, and the mean of a row's advantages; the mean stays one over tokens",
                          columns={"ratio": "sequence"}),
    }),
    option("ratio", "actor.use_sapo_loss", {
        False: value("the clipped loss of PPO", loss="ppo_clip"),
        True: "a sigmoid of the ratio in the place of the clip; refused with use_decoupled_loss",
    }),
    no_effect("ratio", "sapo_tau_pos", "the gate's temperature where the advantage is positive: read with use_sapo_loss only"),
    no_effect("ratio", "sapo_tau_neg", "the gate's temperature elsewhere: read with use_sapo_loss only"),
    line("aggregation", ENGINE, "loss_scale = local_weight / total_loss_weight * loss_multiplier", "FSDPEngine._compute_logprobs_and_loss",
         "a mean over the kept tokens of the minibatch, on all processes and over all micro-batches; no option changes it",
         aggregation="token_mean", processes=True),
    line("aggregation", FORMULAS, "loss_mask_count = loss_mask.count_nonzero() or 1", LOSS,
         "tokens that rejection_sampling leaves out stay in the count"),
    line("entropy", ACTOR, "entropy = entropy.detach()", "grpo_loss_fn", "it is logged; there is no term of it in the loss",
         entropy_coef=0.0),
    without("value", "critic", "there is no critic"),
    option("value", "actor.discount", "gamma is {value}", column="gamma"),
    option("value", "actor.gae_lambda", "lambda is {value}: Monte Carlo returns", column="gae_lambda"),
    line("value", FORMULAS, "value_loss = torch.max(value_loss_original, value_loss_clipped)", "ppo_critic_loss_fn",
         "with the block critic: half the larger of two squared errors, a mean over tokens, in a model of its own"),
    option("value", "critic.eps_clip", "with a critic, a value may move {value} from its old one"),
    option("value", "critic.optimizer.lr", "with a critic, its learning rate is {value}"),
    line("value", ACTOR, "nextvalues = values[:, max_seqlen - 1] * seq_no_eos_mask", ADVANTAGES,
         "a row as long as the longest of the batch counts as cut off, and its last value is added, also if it ended"),
    option("truncated", "actor.mask_no_eos_with_zero", {
        False: value("they are trained on with what they earned", columns={"overlong": "score"}),
        True: "rows as long as the longest of the batch lose their reward, ended or not; they are trained on all the same",
    }),
    inert("truncated", "critic.mask_no_eos_with_zero", field(ARGS, "PPOCriticConfig.mask_no_eos_with_zero"),
          "only logged: no line of the critic's arithmetic reads it", entry="PPOTrainer"),
    option("truncated", "actor.overlong_reward_penalty", {
        False: "length costs nothing",
        True: "a penalty grows over the last overlong_tokens of actor.max_new_tokens, and goes on beyond them",
    }),
    no_effect("truncated", "max_new_tokens", "read by the length penalty only: the budget is gconfig.max_new_tokens"),
    option("sampling", "gconfig.n_samples", "{value} completion per prompt", column="group_size"),
    option("sampling", "gconfig.temperature", "the sampler's temperature is {value}", column="temperature"),
    option("sampling", "actor.temperature", "log-probs are computed at {value}, whatever gconfig.temperature is: set both", owner="TrainEngineConfig"),
    option("sampling", "gconfig.top_p", "top-p {value}", column="top_p"),
    option("sampling", "gconfig.top_k", {10**8: value("no top-k", columns={"top_k": None})}, stated=10**8),
    option("sampling", "gconfig.max_new_tokens", "at most {value} new tokens", column="max_new_tokens"),
    option("sampling", "train_dataset.batch_size", "{value} prompt per step", column="prompts_per_step"),
    option("steps", "actor.ppo_n_minibatches", "{value} optimizer steps per rollout, rows split so that tokens are balanced",
           column="minibatches"),
    line("steps", ACTOR, "for mb in mb_inputs.mbs:", "PPOActor._ppo_update", "each rollout is gone through once", inner_epochs=1),
    option("steps", "rollout.max_head_offpolicyness", "completions may come from weights that are {value} versions older than those they train"),
    option("correction", "actor.use_decoupled_loss", {
        False: value("none: the ratio is to the sampler's own log-probs", columns={"correction": "none"}),
        True: "the ratio is to the trainer's log-probs before the step; without rejection_sampling no weight makes up for the sampler",
    }),
    option("correction", "actor.recompute_logprob", {
        False: "the sampler's log-probs are the old ones", True: "without use_decoupled_loss, the trainer's stand in their place, and the sampler's are not read",
    }),
    without("correction", "actor.rejection_sampling", "nothing is weighed or rejected", owner="PPOActorConfig"),
    option("correction", "actor.rejection_sampling.level", {
        "token": "each token has its own weight, and is rejected alone",
        "sequence": value("the geometric mean of a row is the weight of its tokens, which stay or go together", columns={"correction": "geometric"}),
    }),
    option("correction", "actor.rejection_sampling.action", {
        "mask": "beyond a bound a token counts 0, and stays in the divisor", "clamp": "the weight is cut at the bounds; metric ratio only",
    }),
    option("correction", "actor.rejection_sampling.metric", {
        "ratio": "the bounds are on the ratio of trainer to sampler",
        "kl_k1": "on log ratio, where verl has minus that; the weight stays unbounded",
        "kl_k2": "on half the squared log-ratio; the weight stays unbounded",
        "kl_k3": "on 1 / ratio - 1 + log ratio, not on what its help says; the weight stays unbounded",
    }),
    option("correction", "actor.rejection_sampling.agg", {
        "mean": "with level sequence, rows are judged by the mean of their tokens", "sum": "by the sum; of ratios, their product",
        "max": "by the largest, which is compared with the lower bound too",
    }),
    option("correction", "actor.rejection_sampling.upper", "if the block is there, the upper bound is {value}"),
    option("correction", "actor.rejection_sampling.lower", {None: "if the block is there, it has no lower bound; action clamp takes 0"}),
    cell("correction", "actor.prox_logp_method",
         given("recompute", field(ARGS, "PPOActorConfig.prox_logp_method")), {
             "recompute": "with use_decoupled_loss, by a forward pass before the step",
             "loglinear": "with use_decoupled_loss, interpolated between sampler and policy by their versions, without a forward pass",
             "metrics": "as recompute, and the interpolation is logged",
         }, entry="PPOTrainer"),
    option("correction", "actor.m2_threshold", {None: "M2PO drops no tokens; if it is set, it does so with use_decoupled_loss only"}),
    option("optimizer", "actor.optimizer.lr", RATE, column="lr"),
    option("optimizer", "actor.optimizer.gradient_clipping", "the gradient's norm is cut at {value}", column="max_grad_norm"),
    option("optimizer", "actor.optimizer.weight_decay", "weight decay {value}"),
    option("optimizer", "actor.dtype", {
        "bfloat16": "forward and backward in bfloat16, weights in float32", "float32": "in float32",
    }, owner="TrainEngineConfig"),
    option("optimizer", "actor.disable_dropout", {
        False: "dropout stays as the model has it", True: "dropout is off",
    }, owner="TrainEngineConfig"),
    line("masks", WORKFLOW, "loss_mask += [0] * input_len + [1] * resp.output_len", "MultiTurnWorkflow.arun_episode",
         "prompts and what the environment wrote are not trained on", tool_loss=False, prompt_loss=False),
    line("masks", ACTOR, "rewards[batch_indices, indices] += reward_score", ADVANTAGES,
         "the reward is on the last token that is no padding, and lost if the environment wrote that one"),
]  # fmt: skip

CELLS = PPO_CELLS + OTHER_CELLS
NAMES = [names.nested_fields(ARGS, owner=config) for config in ("PPOConfig", "DPOConfig", "RWConfig", "SFTConfig")]
