"""TRL: its trainers of single answers (KTO), of SimPO and CPO, and of reward models; and what others leave to two options."""

from .cells import OTHER, Cell, value
from .source import code
from .trl_options import inherited, line, option

KTO = "trl/trainer/kto_trainer.py"
DROPOUT = {True: "dropout is off", False: "dropout stays as the model has it"}


def generation(config: str) -> list[Cell]:
    """How large a generation is, and how the reference follows: GRPO and RLOO count alike."""
    return [
        option("steps", f"{config}.generation_batch_size", {
            None: "a generation has as many completions as steps_per_generation micro-batches of all processes",
            OTHER: "completions per generation: {value}",
        }),
        option("reference", f"{config}.ref_model_sync_steps", "with sync_ref_model, every {value} optimizer steps"),
        option("reference", f"{config}.ref_model_mixup_alpha", "with sync_ref_model, {value} of it becomes the policy's each time"),
    ]  # fmt: skip


WEIGHTS = option(
    "preference",
    "DPOConfig.loss_weights",
    {None: "of several losses, each counts once", OTHER: "of several losses, the weights are {value}"},
)
KTO_CELLS = [
    option("preference", "KTOConfig.loss_type", {
        "kto": value("1 - sigmoid of beta times what a completion's log-ratio is above the KL of mismatched ones", loss="kto"),
        "apo_zero_unpaired": "the same without the KL",
    }),
    option("preference", "KTOConfig.beta", "beta is {value}", column="beta"),
    option("preference", "KTOConfig.desirable_weight", "good completions count {value}"),
    option("preference", "KTOConfig.undesirable_weight", "bad completions count {value}"),
    line("reference", code(KTO, "chosen_logratios = chosen_logps - ref_chosen_logps"), "a second model, whose log-probs are taken off", "KTOConfig", reference_model=True),
    option("truncated", "KTOConfig.max_length", "prompt and completion together are cut at {value} tokens"),
    option("optimizer", "KTOConfig.learning_rate", "learning rate {value}", column="lr"),
    *inherited("KTOConfig"),
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
    *inherited("CPOConfig"),
    option("optimizer", "CPOConfig.disable_dropout", DROPOUT),
]  # fmt: skip

REWARD_CELLS = [
    line("preference", code("trl/trainer/reward_trainer.py", "loss = -nn.functional.logsigmoid(rewards_chosen - rewards_rejected).mean()"),
         "minus the log sigmoid of what the chosen one scores more (Bradley-Terry), a mean over pairs", "RewardConfig"),
    option("preference", "RewardConfig.center_rewards_coefficient", {None: "nothing pulls the scores to 0"}),
    option("truncated", "RewardConfig.max_length", "pairs with more than {value} tokens are left out"),
    option("optimizer", "RewardConfig.learning_rate", "learning rate {value}", column="lr"),
    *inherited("RewardConfig"),
    option("optimizer", "RewardConfig.disable_dropout", DROPOUT),
]  # fmt: skip

MORE_CELLS = [*generation("GRPOConfig"), *generation("RLOOConfig"), WEIGHTS, *KTO_CELLS, *CPO_CELLS, *REWARD_CELLS]
