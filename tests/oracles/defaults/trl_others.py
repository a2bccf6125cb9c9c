"""TRL: its trainers on pairs (DPO, KTO, CPO), of reward models and of demonstrations."""

from .cells import cell, inert, value
from .source import code, field
from .trl_files import FILES, line, option

DPO, CPO, KTO = "trl/trainer/dpo_trainer.py", "trl/experimental/cpo/cpo_trainer.py", "trl/trainer/kto_trainer.py"
NORM = "the gradient's norm is cut at {value}"
DROPOUT = {True: "dropout is off", False: "dropout stays as the model has it"}

DPO_CELLS = [
    cell("preference", "loss_type", field(FILES["DPOConfig"], "DPOConfig.loss_type"),
         "{value}: with sigmoid, minus the log sigmoid of beta times the difference of the summed log-ratios", entry="DPOConfig"),
    option("preference", "DPOConfig.loss_weights", {None: "of several losses, each counts once"}),
    option("preference", "DPOConfig.beta", "beta is {value}", column="beta"),
    inert("preference", "label_smoothing", field(FILES["DPOConfig"], "DPOConfig.label_smoothing"),
          "read by robust, exo_pair, aot and aot_unpaired; with sigmoid, the default loss, it changes nothing", entry="DPOConfig"),
    option("preference", "DPOConfig.ld_alpha", {None: "log-probs beyond the shorter completion count in full"}),
    option("preference", "DPOConfig.f_divergence_type", {"reverse_kl": "the log-ratio itself"}),
    line("reference", code(DPO, "ref_model_path = get_config_model_id(self.model.config)"),
         "it is loaded again from the name that the model came from, unless one is passed", "DPOConfig"),
    option("reference", "DPOConfig.sync_ref_model", {False: "it stays as it is", True: "it follows the policy"}),
    option("truncated", "DPOConfig.max_length", "prompt and completion together are cut at {value} tokens"),
    option("optimizer", "DPOConfig.learning_rate", "learning rate {value}", column="lr"),
    option("optimizer", "DPOConfig.max_grad_norm", NORM, column="max_grad_norm", base="TrainingArguments"),
    option("optimizer", "DPOConfig.disable_dropout", DROPOUT),
]  # fmt: skip

KTO_CELLS = [
    option("preference", "KTOConfig.loss_type", {
        "kto": value("1 - sigmoid of beta times what a completion's log-ratio is above the KL of mismatched ones", loss="kto"),
        "apo_zero_unpaired": "the same without the KL",
    }),
    option("preference", "KTOConfig.beta", "beta is {value}", column="beta"),
    option("preference", "KTOConfig.desirable_weight", "good completions count {value}"),
    option("preference", "KTOConfig.undesirable_weight", "bad completions count {value}"),
    line("reference", code(KTO, "chosen_logratios = chosen_logps - ref_chosen_logps"), "there is one", "KTOConfig", reference_model=True),
    option("truncated", "KTOConfig.max_length", "prompt and completion together are cut at {value} tokens"),
    option("optimizer", "KTOConfig.learning_rate", "learning rate {value}", column="lr"),
    option("optimizer", "KTOConfig.max_grad_norm", NORM, column="max_grad_norm", base="TrainingArguments"),
    option("optimizer", "KTOConfig.disable_dropout", DROPOUT),
]  # fmt: skip

CPO_CELLS = [
    option("preference", "CPOConfig.loss_type", {
        "sigmoid": value("CPO: DPO's loss on log-probs alone, without a reference", columns={"reference_model": False}),
        "hinge": value("the hinge on log-probs alone, without a reference", columns={"reference_model": False}),
        "ipo": value("IPO's loss on means of log-probs, without a reference", columns={"reference_model": False, "average_logprobs": True}),
        "simpo": value("SimPO, on means of log-probs", columns={"loss": "simpo", "reference_model": False, "average_logprobs": True}),
    }),
    option("preference", "CPOConfig.beta", "beta is {value}", column="beta"),
    option("preference", "CPOConfig.simpo_gamma", "with simpo, the margin is {value}, in units of reward", column="target_margin"),
    option("preference", "CPOConfig.cpo_alpha", "{value} times the NLL of the chosen completions is added, with simpo too", column="sft_coef"),
    option("preference", "CPOConfig.label_smoothing", "{value} of the labels are taken to be the wrong way round, with sigmoid and simpo"),
    option("truncated", "CPOConfig.max_length", "prompt and completion together are cut at {value} tokens"),
    option("optimizer", "CPOConfig.learning_rate", "learning rate {value}", column="lr"),
    option("optimizer", "CPOConfig.max_grad_norm", NORM, column="max_grad_norm", base="TrainingArguments"),
    option("optimizer", "CPOConfig.disable_dropout", DROPOUT),
]  # fmt: skip

REWARD_CELLS = [
    line("preference", code("trl/trainer/reward_trainer.py", "loss = -nn.functional.logsigmoid(rewards_chosen - rewards_rejected).mean()"),
         "minus the log sigmoid of what the chosen one scores more (Bradley-Terry), a mean over pairs", "RewardConfig"),
    option("preference", "RewardConfig.center_rewards_coefficient", {None: "nothing pulls the scores to 0"}),
    option("truncated", "RewardConfig.max_length", "pairs with more than {value} tokens are left out"),
    option("optimizer", "RewardConfig.learning_rate", "learning rate {value}", column="lr"),
    option("optimizer", "RewardConfig.max_grad_norm", NORM, column="max_grad_norm", base="TrainingArguments"),
    option("optimizer", "RewardConfig.disable_dropout", DROPOUT),
]  # fmt: skip

SFT_CELLS = [
    option("masks", "SFTConfig.completion_only_loss", {
        None: "of a prompt and a completion, the completion is trained on; of plain text or messages every token",
    }),
    option("masks", "SFTConfig.assistant_only_loss", {
        False: "of messages every token is trained on, also the user's and the tools'",
        True: "only what the assistant wrote, where the chat template marks it",
    }),
    option("aggregation", "SFTConfig.loss_type", "{value}: divided by the supervised tokens of the accumulated batch over all processes"),
    option("truncated", "SFTConfig.max_length", "cut at {value} tokens"),
    option("optimizer", "SFTConfig.learning_rate", "learning rate {value}", column="lr"),
    option("optimizer", "SFTConfig.max_grad_norm", NORM, column="max_grad_norm", base="TrainingArguments"),
]  # fmt: skip

OTHER_CELLS = DPO_CELLS + KTO_CELLS + CPO_CELLS + REWARD_CELLS + SFT_CELLS
