"""TRL: its RLOO, DPO and SFT trainers."""

from typing import Any

from .cells import OTHER, Value, inert, value
from .source import code, field
from .trl_options import DPO, FILES, RLOO, inherited, line, option

RLOO_CELLS = [
    option("advantage", "RLOOConfig.normalize_advantages", {
        False: value("reward minus the mean of the prompt's other completions", columns={"advantage": "leave_one_out"}),
        True: "reward minus the mean of the prompt's other completions, then whitened over the batch (ddof 1, 1e-4 on the std)",
    }),
    option("advantage", "RLOOConfig.reward_clip_range", {
        None: "rewards are not cut", OTHER: "rewards are cut at {value}, before the KL is taken off",
    }),
    line("dead groups", code(RLOO, "advantages = rewards - baselines"),
         "a group that all earns the same stays in the batch; with a KL its advantages are not 0", "RLOOConfig"),
    line("dead groups", code(FILES["RLOOConfig"], "if self.num_generations < 2:"), "a group of one is refused", "RLOOConfig"),
    line("kl", code(RLOO, "per_token_kl = old_per_token_logps - ref_per_token_logps"),
         "k1, summed over the completion, is taken off its reward before the baseline", "RLOOConfig", kl="k1", kl_place="reward"),
    option("kl", "RLOOConfig.beta", "its coefficient is {value}", column="kl_coef"),
    line("reference", code(RLOO, "self.ref_model = create_model_from_path(get_config_model_id(self.model.config)"),
         "it is loaded again from the name that the model came from, unless beta is 0", "RLOOConfig"),
    option("reference", "RLOOConfig.sync_ref_model", {
        False: "it stays as it is", True: "every ref_model_sync_steps steps it takes up the share ref_model_mixup_alpha of the policy",
    }),
    line("ratio", code(RLOO, "logps = (per_token_logps * completion_mask).sum(1)"),
         "one ratio per completion, the product of its tokens' ratios, without its length", "RLOOConfig",
         loss="ppo_clip", ratio="sequence"),
    line("aggregation", code(RLOO, "loss = per_sequence_loss.mean()"),
         "a mean over the completions of the micro-batch, then over micro-batches and processes; lengths divide nothing", "RLOOConfig"),
    option("clip", "RLOOConfig.epsilon", "the completion's ratio is clipped below at 1 - {value}", column="clip_low"),
    option("clip", "RLOOConfig.epsilon_high", {None: "above at 1 + epsilon", OTHER: "above at 1 + {value}"}, column="clip_high"),
    option("sampling", "RLOOConfig.num_generations", "completions per prompt: {value}", column="group_size"),
    option("sampling", "RLOOConfig.temperature", "temperature {value}, also where log-probs are computed", column="temperature"),
    option("sampling", "RLOOConfig.top_p", "top-p {value}", column="top_p"),
    option("sampling", "RLOOConfig.top_k", {0: value("no top-k", columns={"top_k": None}), OTHER: "top-k {value}"}, column="top_k"),
    option("sampling", "RLOOConfig.max_completion_length", "at most {value} new tokens", column="max_new_tokens"),
    option("steps", "RLOOConfig.num_iterations", "passes over each batch of samples: {value}", column="inner_epochs"),
    option("steps", "RLOOConfig.steps_per_generation", {
        None: value("gradient_accumulation_steps: one optimizer step per generation and pass, so that with one pass no clip acts",
                    columns={"minibatches": 1}),
        OTHER: "micro-batches per generation: {value}",
    }),
    option("correction", "RLOOConfig.use_vllm", {
        False: value("the trainer's own model samples, and nothing is corrected", columns={"correction": "none"}),
        True: value("vLLM samples, and nothing corrects for it", columns={"correction": "none"}),
    }),
    option("truncated", "RLOOConfig.mask_truncated_completions", {
        False: value("they are trained on with what they earned", columns={"overlong": "score"}),
        True: value("they are masked, and their rewards stay in their group", columns={"overlong": "mask"}),
    }),
    option("optimizer", "RLOOConfig.learning_rate", "learning rate {value}", column="lr"),
    *inherited("RLOOConfig"),
    option("optimizer", "RLOOConfig.disable_dropout", {
        False: "dropout stays as the model has it, in training and in scoring", True: "dropout is off",
    }),
]  # fmt: skip

ON_PAIRS = {
    "sigmoid": value("minus the log sigmoid of beta times the difference of the summed log-ratios",
                     loss="dpo", columns={"average_logprobs": False}),
    "sigmoid_norm": value("minus the log sigmoid of beta times the difference of the log-ratios, each a mean over tokens",
                          loss="dpo", columns={"average_logprobs": True}),
    "hinge": value("1 minus beta times the difference of the summed log-ratios, where it is positive", loss="hinge"),
    "ipo": value("IPO, on log-ratios that are means over tokens", loss="ipo", columns={"average_logprobs": True}),
    "robust": value("DPO corrected for a share label_smoothing of wrong labels", loss="robust_dpo"),
    "exo_pair": "EXO: a KL from the policy's choice to the label, of which label_smoothing is taken off",
    "nca_pair": "NCA: a sigmoid of each summed log-ratio, without a difference",
    "bco_pair": "a log sigmoid of each summed log-ratio, without BCO's running mean",
    "sppo_hard": "the squared distance of each summed log-ratio from plus or minus 1 / (2 beta)",
    "aot": "DPO with label_smoothing on the log-probs sorted within the micro-batch",
    "aot_unpaired": "DPO with label_smoothing on the log-ratios sorted within the micro-batch",
    "apo_zero": "a sigmoid of each summed log-ratio: chosen ones go up, rejected ones down",
    "apo_down": "chosen log-ratios go down, and rejected ones further",
    "discopop": "a mix of the logistic and the exponential loss, by the log-ratio itself",
    "sft": "the NLL of the chosen completions, a mean over all their tokens",
}  # fmt: skip
DIFFERENCES: dict[Any, Value | str] = {key: words for name, words in ON_PAIRS.items() for key in ((name,), name)}
DPO_CELLS = [
    option("preference", "DPOConfig.loss_type", DIFFERENCES | {OTHER: "the losses {value}, added with loss_weights"}),
    option("preference", "DPOConfig.beta", "beta is {value}", column="beta"),
    inert("preference", "label_smoothing", field(FILES["DPOConfig"], "DPOConfig.label_smoothing"),
          "read by robust, exo_pair, aot and aot_unpaired; with sigmoid, the default loss, it changes nothing", entry="DPOConfig"),
    option("preference", "DPOConfig.ld_alpha", {
        None: "log-probs beyond the length of the shorter completion count in full",
        OTHER: "log-probs beyond the length of the shorter completion count {value} times",
    }),
    option("preference", "DPOConfig.f_divergence_type", {
        "reverse_kl": "log-ratios enter the loss as they are",
        "forward_kl": "1 - exp(-log-ratio) in the place of each log-ratio",
        "js_divergence": "log 2 plus the log sigmoid of the log-ratio in the place of each log-ratio",
        "alpha_divergence": "an alpha divergence's derivative, with f_alpha_divergence_coef, in the place of each log-ratio",
    }),
    option("preference", "DPOConfig.use_weighting", {
        False: "every pair has the weight 1", True: "a pair is weighed by how likely the policy finds its completions (WPO)",
    }),
    line("aggregation", code(DPO, "loss += per_sequence_loss.mean() * loss_weight"),
         "a mean over the pairs of the micro-batch, then over micro-batches and processes", "DPOConfig"),
    line("reference", code(DPO, "ref_model_path = get_config_model_id(self.model.config)"),
         "it is loaded again from the name that the model came from, unless one is passed", "DPOConfig", reference_model=True),
    line("reference", code(DPO, "# If PEFT is used, the reference model is not needed since the adapter can be disabled to revert to the"),
         "with a new PEFT adapter it is the model without the adapter", "DPOConfig"),
    option("reference", "DPOConfig.sync_ref_model", {
        False: "it stays as it is", True: "every ref_model_sync_steps steps it takes up the share ref_model_mixup_alpha of the policy",
    }),
    line("masks", code(DPO, "completion_mask = chosen_mask + rejected_mask"),
         "every token after the prompt counts, also the user's and the tools', and no option leaves them out", "DPOConfig",
         tool_loss=True, prompt_loss=False),
    option("truncated", "DPOConfig.max_length", {
        None: "nothing is cut", OTHER: "prompt and completion together are cut at {value} tokens, at the end",
    }),
    option("optimizer", "DPOConfig.learning_rate", "learning rate {value}", column="lr"),
    *inherited("DPOConfig"),
    option("optimizer", "DPOConfig.disable_dropout", {True: "dropout is off", False: "dropout stays as the model has it"}),
]  # fmt: skip

SUPERVISED = "divided by the trained tokens of the optimizer step, over all micro-batches and processes"
SFT_CELLS = [
    option("masks", "SFTConfig.completion_only_loss", {
        None: "of a prompt and a completion, the completion is trained on; of plain text or messages every token",
        True: value("completions alone are trained on", columns={"prompt_loss": False}),
        False: value("prompts are trained on too", columns={"prompt_loss": True}),
    }),
    option("masks", "SFTConfig.assistant_only_loss", {
        False: "of messages every token is trained on, also the user's and the tools'",
        True: "only what the assistant wrote, where the chat template marks it",
    }),
    option("aggregation", "SFTConfig.loss_type", {
        "nll": value(f"the NLL, {SUPERVISED}", columns={"aggregation": "token_mean", "processes": True}),
        "dft": value(f"the NLL of each token times its detached probability, {SUPERVISED}",
                     columns={"aggregation": "token_mean", "processes": True}),
    }),
    option("truncated", "SFTConfig.max_length", {None: "nothing is cut", OTHER: "a row is cut at {value} tokens, at the end"}),
    option("optimizer", "SFTConfig.learning_rate", "learning rate {value}", column="lr"),
    *inherited("SFTConfig"),
]  # fmt: skip
