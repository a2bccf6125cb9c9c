"""ms-swift: DPO, SimPO, ORPO, KTO and PPO of ``swift rlhf``, ``swift sft``, and DPO of ``megatron rlhf``."""

from .cells import cell, inert, value
from .ms_swift_cells import DPO, FILES, RLHF, decided, line, option, unread
from .source import code, field, given

DPO_LOSSES = {
    "sigmoid": value("minus the log sigmoid of beta times the margin; label_smoothing makes it cDPO", loss="dpo"),
    "hinge": value("max(0, 1 - beta times the margin)", loss="hinge"),
    "ipo": value("the margin regressed to 1 / (2 beta), on log-probs per token", loss="ipo", columns={"average_logprobs": True}),
    "robust": value("rDPO, with label_smoothing", loss="robust_dpo"),
    "exo_pair": "EXO; without label_smoothing it sets 0.001, also for the losses after it",
    "nca_pair": "NCA", "sppo_hard": "SPPO with hard labels", "aot": "AOT on pairs", "aot_unpaired": "AOT without pairs",
    "bco_pair": "BCO, whose shift is a running mean of the batches' mean rewards",
    "apo_zero": "APO-zero", "apo_down": "APO-down", "discopop": "a mixture of logistic and exponential loss",
    "sft": "the NLL of chosen",
}  # fmt: skip
DPO_CELLS = [
    decided("preference", "loss_type", "sigmoid", "self.loss_type = 'sigmoid'", "_set_default", DPO_LOSSES, entry="dpo"),
    decided("preference", "beta", 0.1, "self.beta = 0.1", "_set_default", "beta is {value}", column="beta", entry="dpo"),
    option("preference", "RLHFArguments.label_smoothing", "{value} of the labels count as wrong, with sigmoid too",
           column="label_smoothing", entry="dpo"),
    option("preference", "RLHFArguments.rpo_alpha", {
        None: value("no NLL of chosen; a number adds it as one mean over their tokens", columns={"sft_coef": 0.0}),
    }, column="sft_coef", entry="dpo"),
    option("preference", "RLHFArguments.ld_alpha", {
        None: "log-probs beyond the shorter completion count in full; a number shortens the policy's, not the reference's",
    }, entry="dpo"),
    unread("preference", "RLHFArguments.discopop_tau", "read with loss_type discopop only", entry="dpo"),
    unread("preference", "RLHFArguments.simpo_gamma", "read with simpo only", entry="dpo"),
    line("preference", code(DPO, "all_logps = per_token_logps.sum(-1)"), "log-probs are summed, but for ipo", "dpo", average_logprobs=False),
    line("reference", code(RLHF, "self.ref_model = self.ref_model or self.model"),
         "with full training the model's checkpoint, loaded again; with LoRA the model without its adapter", "dpo", reference_model=True),
    cell("optimizer", "learning_rate", given(1e-4, code("swift/arguments/sft_args.py", "self.learning_rate = 1e-4")),
         "learning rate {value} with LoRA, the default tuner; 1e-5 with full training", column="lr", entry="dpo"),
    decided("masks", "loss_scale", "last_round", "elif self.rlhf_type in ('grpo', 'gkd'):", "_set_loss_scale",
            {"last_round": "of several turns the last one counts"}, entry="dpo"),
    inert("preference", "loss_type", field(FILES["RLHFMegatronArgumentsMixin"], "RLHFMegatronArgumentsMixin.loss_type"),
          "the name does not reach the loss: with rlhf_type dpo every one is the sigmoid loss", entry="megatron dpo"),
    line("preference", code("swift/megatron/trainers/dpo_trainer.py", "loss, chosen_rewards, rejected_rewards = self.dummy_dpo_trainer.dpo_loss("),
         "always minus the log sigmoid of beta times the margin", "megatron dpo", loss="dpo"),
    cell("preference", "beta", given(0.1, code(FILES["RLHFMegatronArgumentsMixin"], "self.beta = default_beta.get(self.rlhf_type, 0.1)")), "beta is {value}",
         column="beta", entry="megatron dpo"),
]  # fmt: skip

OTHER_CELLS = [
    decided("preference", "beta", 2.0, "self.beta = 2.", "_init_simpo", "beta is {value}", column="beta", entry="simpo"),
    option("preference", "RLHFArguments.simpo_gamma", "the target margin is {value}, in units of reward", column="target_margin",
           entry="simpo"),
    option("preference", "RLHFArguments.cpo_alpha", "the NLL of chosen is added {value} times: plain SimPO needs 0",
           column="sft_coef", entry="simpo"),
    decided("preference", "beta", 0.1, "self.beta = 0.1", "_set_default", "the odds-ratio loss counts {value} times", column="beta",
            entry="orpo"),
    line("preference", code("swift/rlhf_trainers/rlhf_mixin.py", "model_kwargs['concatenated_input_ids'] = model_kwargs['concatenated_labels']"),
         "the NLL is one mean over all chosen tokens of the micro-batch, without the prompts", "orpo", loss="orpo", prompt_loss=False),
    decided("preference", "beta", 0.1, "self.beta = 0.1", "_set_default", "beta is {value}", column="beta", entry="kto"),
    decided("preference", "loss_type", "kto", "self.loss_type = 'kto'", "_set_default", {
        "kto": value("KTO", loss="kto"), "apo_zero_unpaired": "APO-zero without pairs",
    }, entry="kto"),
    option("preference", "RLHFArguments.desirable_weight", "good completions weigh {value}", entry="kto"),
    option("preference", "RLHFArguments.undesirable_weight", "bad completions weigh {value}", entry="kto"),
    option("value", "PPOArguments.gamma", "gamma is {value}", column="gamma", entry="ppo"),
    option("value", "PPOArguments.lam", "lambda is {value}", column="gae_lambda", entry="ppo"),
    option("value", "PPOArguments.vf_coef", "the value loss counts {value} times", column="vf_coef", entry="ppo"),
    option("value", "PPOArguments.cliprange_value", "a value may move {value} from its old one", column="value_clip", entry="ppo"),
    option("clip", "PPOArguments.cliprange", "the ratio is clipped at 1 - {value} and 1 + {value}", entry="ppo"),
    option("kl", "PPOArguments.kl_coef", "{value} times the KL is taken off each token's reward", column="kl_coef", entry="ppo"),
    option("steps", "PPOArguments.num_ppo_epochs", "each rollout is gone through {value} times", column="inner_epochs", entry="ppo"),
    option("masks", "TemplateArguments.loss_scale", {"default": "every turn of the assistant is trained on, prompts are not"}, entry="sft"),
    option("aggregation", "TrainArgumentsMixin.enable_dft_loss", {
        False: "NLL, divided by the supervised tokens of the accumulated batch", True: "NLL times the token's probability, detached",
    }, entry="sft"),
    cell("optimizer", "learning_rate", given(1e-4, code("swift/arguments/sft_args.py", "self.learning_rate = 1e-4")),
         "learning rate {value} with LoRA, the default tuner; 1e-5 with full training", column="lr", entry="sft"),
]  # fmt: skip
