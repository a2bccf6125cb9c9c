"""torchtune: its recipes of PPO, DPO, distillation and SFT. A recipe has no defaults: those of its shipped config stand here."""

from pathlib import Path
from typing import Any

from . import names
from .cells import OTHER, Cell, Value, cell, fixed, inert, value
from .source import Reader, code, given, parameter, yaml_value

PPO, DPO, SFT = "ppo_full_finetune_single_device", "full_dpo_distributed", "full_finetune_distributed"
KD, GRPO = "knowledge_distillation_single_device", "grpo_full_finetune_distributed"
CONFIGS = {
    PPO: "recipes/configs/mistral/7B_full_ppo_low_memory.yaml",
    DPO: "recipes/configs/llama3_1/8B_full_dpo.yaml",
    SFT: "recipes/configs/llama3_1/8B_full.yaml",
    KD: "recipes/configs/llama3_2/8B_to_1B_KD_lora_single_device.yaml",
}
REWARDS, PPO_LOSS, DPO_LOSS = "torchtune/rlhf/rewards.py", "torchtune/rlhf/loss/ppo.py", "torchtune/rlhf/loss/dpo.py"
KD_LOSS = "torchtune/modules/loss/kd_losses.py"


def option(entry: str, slot: str, name: str, says: str | dict[Any, Value | str], *, column: str = "") -> Cell:
    return cell(slot, name, yaml_value(CONFIGS[entry], name), says, column=column, entry=entry)


def line(entry: str, slot: str, read: Reader, says: str, **columns: Any) -> Cell:
    return fixed(slot, read, says, columns=columns, entry=entry)


def recipe(entry: str, text: str, of: str | None = None) -> Reader:
    return code(f"recipes/{entry}.py", text, of=of)


def unset(
    entry: str, slot: str, name: str, attribute: str, says: str | dict[Any, Value | str], *, column: str = ""
) -> Cell:
    """An option that the shipped config leaves out: the recipe asks for it with a default."""
    return cell(slot, name, given(None, recipe(entry, attribute)), says, column=column, entry=entry)


RATE = "learning rate {value}"
NORM = {
    None: value("the gradient is not cut", columns={"max_grad_norm": None}), OTHER: "the gradient's norm is cut at {value}",
}  # fmt: skip
TRAJECTORY, TRAIN = "PPOFullFinetuneRecipeSingleDevice.generate_trajectory", "PPOFullFinetuneRecipeSingleDevice.train"
STEP = "PPOFullFinetuneRecipeSingleDevice.ppo_step"
PPO_CELLS = [
    line(PPO, "advantage", code(REWARDS, "advantages = whiten(advantages, mask=masks)", of="estimate_advantages"),
         "GAE with a critic, divided by the std of all tokens of the batch (ddof 1, 1e-8 on the variance)", advantage="gae", ddof=1),
    line(PPO, "advantage", code(REWARDS, "whitened += mean", of="whiten"),
         "the mean is added back, so that advantages are not centred: shift_mean=True means the opposite of verl's"),
    inert("advantage", "whiten_rewards", yaml_value(CONFIGS[PPO], "whiten_rewards"),
          "it has to be set, and no line of the package reads it again: rewards are not whitened", entry=PPO),
    line(PPO, "dead groups", recipe(PPO, "prompt=input_ids,", TRAJECTORY), "one completion per prompt: there are no groups",
         group_size=1),
    line(PPO, "kl", code(REWARDS, "kl = logprobs - ref_logprobs", of="get_rewards_ppo"),
         "k1 without a cut is taken off each token's reward", kl="k1", kl_place="reward"),
    option(PPO, "kl", "kl_coeff", "the coefficient of the KL is {value}", column="kl_coef"),
    line(PPO, "reference", recipe(PPO, "for p in ref_policy_model.parameters():"),
         "the checkpoint of ref_policy_checkpointer, always loaded, which stays as it is", reference_model=True),
    option(PPO, "clip", "loss.epsilon", "the ratio is clipped below at 1 - {value}", column="clip_low"),
    option(PPO, "clip", "loss.epsilon", "above at 1 + {value}", column="clip_high"),
    line(PPO, "clip", code(PPO_LOSS, "epsilon: float = 0.1,"), "a config without epsilon has 0.1"),
    line(PPO, "clip", code(PPO_LOSS, "ratios = torch.exp(pi_logprobs - pi_old_logprobs)"),
         "no dual clip, and the log-ratio is not cut", dual_clip=None),
    option(PPO, "ratio", "loss._component_", {
        "torchtune.rlhf.loss.PPOLoss": value("one ratio per token, in the clipped loss of PPO", loss="ppo_clip", columns={"ratio": "token"}),
    }),
    line(PPO, "aggregation", code(PPO_LOSS, "else rlhf.masked_mean(policy_loss, padding_masks)"),
         "a mean over the kept tokens of each backward batch", aggregation="token_mean", processes=False),
    line(PPO, "aggregation", recipe(PPO, "loss /= self._gradient_accumulation_steps", STEP),
         "over accumulation a mean of these means, in one process"),
    line(PPO, "entropy", code(PPO_LOSS, "loss = policy_loss + (value_loss * self.value_coeff)"), "there is no entropy in the loss",
         entropy_coef=0.0),
    option(PPO, "value", "loss.value_coeff", "the value loss is multiplied by {value}", column="vf_coef"),
    option(PPO, "value", "loss.value_clip_range", "a value may move {value} from its old one", column="value_clip"),
    option(PPO, "value", "gamma", "gamma is {value}", column="gamma"),
    option(PPO, "value", "lmbda", "lambda is {value}", column="gae_lambda"),
    line(PPO, "value", recipe(PPO, "values[value_padding_masks] = 0.0", TRAJECTORY),
         "the critic, a model of its own, is also read and trained one step behind the last token, where the score is", critic="separate"),
    line(PPO, "value", code(PPO_LOSS, "else 0.5 * rlhf.masked_mean(value_loss, value_padding_masks)"),
         "half the larger of two squared errors, a mean over tokens"),
    option(PPO, "truncated", "penalise_no_eos", {
        True: "a completion that fills the budget gets reward_penalty for its score, also if its last token is a stop token",
        False: value("they keep what they earned", columns={"overlong": "score"}),
    }),
    option(PPO, "truncated", "reward_penalty", "the score becomes {value}, which is better than a score below it"),
    option(PPO, "truncated", "min_response_length", "completions of at most {value} tokens get reward_penalty too: lengths are counted from 0"),
    option(PPO, "sampling", "temperature", "temperature {value}, also where log-probs are computed", column="temperature"),
    option(PPO, "sampling", "top_k", {None: value("no top-k", columns={"top_k": None}), OTHER: "top-k {value}"}, column="top_k"),
    option(PPO, "sampling", "max_generated_tokens", "exactly {value} tokens are sampled, and cut behind the first stop token", column="max_new_tokens"),
    option(PPO, "sampling", "stop_token_ids", {
        (2, 28723): "completions end at the tokens 2 and 28723, of which the second is Mistral's full stop", OTHER: "completions end at the tokens {value}",
    }),
    option(PPO, "sampling", "batch_size", "prompts per step: {value}", column="prompts_per_step"),
    option(PPO, "steps", "ppo_epochs", "passes over each batch of samples: {value}", column="inner_epochs"),
    option(PPO, "steps", "ppo_batch_size", "an optimizer step for every {value} completions"),
    option(PPO, "steps", "gradient_accumulation_steps", "backward batches of an optimizer step: {value}"),
    line(PPO, "correction", recipe(PPO, "logprobs = rlhf.logits_to_logprobs(logits, responses, self._temperature)", TRAJECTORY),
         "none: the model samples itself, and its logits while sampling give the old log-probs", correction="none"),
    option(PPO, "optimizer", "optimizer.lr", "learning rate {value}, of policy and critic", column="lr"),
    option(PPO, "optimizer", "optimizer.lr", "the critic's is the same, {value}", column="critic_lr"),
    line(PPO, "optimizer", recipe(PPO, "disable_dropout(policy_model)"), "dropout is off, and the gradient is not cut", max_grad_norm=None),
    option(PPO, "optimizer", "dtype", {"bf16": "weights, forward and backward in bfloat16", "fp32": "in float32"}),
    line(PPO, "masks", recipe(PPO, "padding_masks=~trajectory.response_padding_masks,", STEP),
         "the response up to its first stop token", prompt_loss=False),
]  # fmt: skip

GRPO_CELLS = [
    line(GRPO, "advantage", code(f"recipes/dev/{GRPO}.py", "rewards.std(1, keepdim=True) + 1e-4"),
         "reward minus the group's mean, divided by its std (ddof 1) plus 1e-4", advantage="group", ddof=1, eps=1e-4),
    line(GRPO, "ratio", code(f"recipes/dev/{GRPO}.py", "from torchtune.dev.grpo.generation import generate"),
         "the recipe does not start: its loss is in torchtune.dev, which the package does not contain"),
]  # fmt: skip

DPO_CELLS = [
    option(DPO, "preference", "loss._component_", {
        "torchtune.rlhf.loss.DPOLoss": value("minus the log sigmoid of beta times the difference of the summed log-ratios",
                                             loss="dpo", columns={"average_logprobs": False}),
        "torchtune.rlhf.loss.RSOLoss": value("1 minus gamma times the difference of the summed log-ratios, where it is positive", loss="hinge",
                                             columns={"average_logprobs": False}),
    }),
    option(DPO, "preference", "loss.beta", "beta is {value}", column="beta"),
    line(DPO, "preference", code(DPO_LOSS, "beta: float = 0.1,"), "a config without beta has 0.1"),
    option(DPO, "preference", "loss.label_smoothing", "{value} of the labels are taken to be the wrong way round (cDPO)"),
    cell("preference", "loss.gamma", parameter(DPO_LOSS, "RSOLoss.__init__.gamma"), "with RSOLoss, gamma is {value}: what beta is to others", entry=DPO),
    line(DPO, "aggregation", recipe(DPO, "loss = loss.mean()"), "a mean over the pairs of a micro-batch, then over accumulation and processes"),
    line(DPO, "reference", recipe(DPO, "self._ref_model, batch, activations_handling=False"),
         "the checkpoint of ref_checkpointer, which stays as it is", reference_model=True),
    option(DPO, "truncated", "tokenizer.max_seq_len", "prompt and completion together are cut at {value} tokens"),
    option(DPO, "optimizer", "optimizer.lr", RATE, column="lr"),
    option(DPO, "optimizer", "lr_scheduler.num_warmup_steps", "the learning rate grows over the first {value} steps and then falls on a cosine to 0"),
    option(DPO, "optimizer", "optimizer.weight_decay", "weight decay {value}"),
    unset(DPO, "optimizer", "clip_grad_norm", 'self._clip_grad_norm = cfg.get("clip_grad_norm", None)',
          NORM, column="max_grad_norm"),
    line(DPO, "optimizer", recipe(DPO, "disable_dropout(model)", "FullDPORecipeDistributed._setup_model"), "dropout is off"),
    cell("masks", "dataset.train_on_input", parameter("torchtune/datasets/_stack_exchange_paired.py", "stack_exchange_paired_dataset.train_on_input"), {
        False: value("prompts are left out", columns={"prompt_loss": False}), True: value("prompts count", columns={"prompt_loss": True}),
    }, entry=DPO),
]  # fmt: skip

SFT_CELLS = [
    line(SFT, "aggregation", recipe(SFT, "training.scale_grads(self._model, self.world_size / num_tokens)"),
         "divided by the supervised tokens of the accumulated batch over all processes", aggregation="token_mean", processes=True),
    cell("masks", "dataset.train_on_input", parameter("torchtune/datasets/_alpaca.py", "alpaca_dataset.train_on_input"), {
        True: value("prompts are trained on too", columns={"prompt_loss": True}),
        False: value("prompts are left out", columns={"prompt_loss": False}),
    }, entry=SFT),
    option(SFT, "truncated", "tokenizer.max_seq_len", {None: "nothing is cut", OTHER: "rows are cut at {value} tokens"}),
    option(SFT, "optimizer", "optimizer.lr", RATE, column="lr"),
    option(SFT, "optimizer", "clip_grad_norm", NORM, column="max_grad_norm"),
    line(KD, "aggregation", recipe(KD, "training.scale_grads(self._model, 1 / num_tokens)"),
         "divided by the supervised tokens of the accumulated batch, in one process", aggregation="token_mean"),
    option(KD, "optimizer", "optimizer.lr", RATE, column="lr"),
    option(KD, "optimizer", "clip_grad_norm", NORM, column="max_grad_norm"),
    option(KD, "kl", "kd_ratio", "{value} times the divergence to the teacher, and the rest times the NLL of the labels"),
    option(KD, "kl", "kd_loss._component_", {
        "torchtune.modules.loss.ForwardKLWithChunkedOutputLoss": "the forward KL, whose value is a cross-entropy: the teacher's entropy is not taken off",
        "torchtune.modules.loss.ReverseKLWithChunkedOutputLoss": "the reverse KL, of whole distributions",
        "torchtune.modules.loss.SymmetricKLWithChunkedOutputLoss": "sym_kd_ratio times the forward KL, and the rest times the reverse one",
    }),
    cell("kl", "kd_loss.sym_kd_ratio", parameter(KD_LOSS, "SymmetricKLWithChunkedOutputLoss.__init__.sym_kd_ratio"),
         "with the symmetric KL, the forward one has the share {value}", entry=KD),
]  # fmt: skip

CELLS = PPO_CELLS + GRPO_CELLS + DPO_CELLS + SFT_CELLS


def shipped(root: Path) -> list[str]:
    """The options of all configs that come with it."""
    files = [path.relative_to(root) for path in (root / "recipes" / "configs").rglob("*.yaml")]
    return [name for file in files for name in names.yaml_keys(str(file))(root)]


# And what a component takes that no shipped config sets.
NAMES = [shipped, lambda root: ["clip_grad_norm", "dataset.train_on_input", "kd_loss.sym_kd_ratio", "loss.gamma"]]
