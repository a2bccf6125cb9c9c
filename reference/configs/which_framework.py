"""Which framework a command or a set of keys belongs to: by the program that is started, else by names only it has."""

import re
from collections.abc import Collection, Iterable

from reference.configs.option import FRAMEWORKS
from reference.objectives.shapes import InputError

METHODS = "async_grpo|grpo|gspo|dpo|online_dpo|rloo|ppo|kto|orpo|cpo|bco|xpo|nash_md|gkd|gold|sdft|sdpo|tpo|prm|reward|sft|distillation"
# A program: a pattern for its word, and one for the word behind it where only both together say enough.
PROGRAMS = (
    ("openrlhf", r"(\S*/)?openrlhf[./](cli[./])?train_\w+(\.py)?", None),
    ("ms-swift", r"(\S*/)?(swift|megatron)", r"rlhf|sft|pt"),
    ("ms-swift", r"(\S*[./])?swift[./](cli|pipelines|llm|megatron)[./](\S+[./])?(rlhf|sft|pt)(\.py)?", None),
    ("llama-factory", r"(\S*/)?(llamafactory-cli|lmf)", r"train"),
    ("llama-factory", r"(\S*[./])?llamafactory[./](launcher|cli)(\.py)?", None),
    ("axolotl", r"(\S*/)?axolotl", r"train"),
    ("axolotl", r"axolotl\.cli\.train", None),
    ("nemo-rl", r"(\S*/)?run_(\w+_)?(grpo|dpo|ppo|rm|sft|distillation)(_\w+)?\.py", None),
    ("skyrl", r"(\S*[./])?skyrl(_train|_gym|_agent)?[./]\S*main\w*(\.py)?", None),
    ("verl", r"(\S*[./])?verl[./](trainer|experimental|recipe)[./](\S*[./])?\w*(main|trainer)\w*(\.py)?", None),
    ("areal", r"(\S*[./])?areal[./](launcher|infra[./]launcher)[./]\w+", None),
    ("trl", r"(\S*/)?trl", METHODS),
    ("trl", rf"(\S*[./])?trl[./]scripts[./]({METHODS})(\.py)?", None),
    ("trl", rf"(\S*[./])?(open_r1|examples)[./](scripts[./])?(\S+[./])?({METHODS})(_\w+)?(\.py)?", None),
)  # fmt: skip
NOT_TRAINING = re.compile(r"\S*(serve|merge|eval|export|infer|generat|preprocess|convert)\S*")

# Keys that say which framework reads them. Each is a whole key, or with a dot at its end the beginning of one.
KEYS = {
    "verl": "actor_rollout_ref. algorithm.adv_estimator algorithm.use_kl_in_reward algorithm.kl_ctrl. reward_model. critic.optim.",
    "skyrl": "trainer.algorithm. trainer.policy. trainer.ref. trainer.placement. generator. environment.env_class",
    "nemo-rl": "grpo. dpo. rm. sft. loss_fn. policy. checkpointing. cluster.num_nodes cluster.gpus_per_node defaults data_plane. distillation.",
    "areal": "gconfig. actor. ref. rollout. allocation_mode train_dataset. valid_dataset. cluster.fileroot recover. scheduler. "
    "stats_logger. async_training",
    "openrlhf": "actor. critic. algo. ckpt. ds. vllm. rollout. train. reward. ref. pretrain reward_pretrain init_kl_coef "
    "advantage_estimator zero_stage micro_train_batch_size micro_rollout_batch_size rollout_batch_size n_samples_per_prompt "
    "ref_num_nodes actor_num_nodes prompt_data colocate_all_models actor_learning_rate critic_learning_rate eps_clip",
    "ms-swift": "rlhf_type train_type tuner_type vllm_mode model_type reward_funcs external_plugins loss_scale "
    "split_dataset_ratio torch_dtype dataset max_length lora_rank target_modules teacher_model sleep_level micro_batch_size",
    "llama-factory": "stage finetuning_type cutoff_len template pref_beta pref_loss lora_target dataset plot_loss dataset_dir "
    "lora_rank max_samples",
    "axolotl": "base_model sequence_len datasets sample_packing adapter rl trl. micro_batch_size num_epochs val_set_size "
    "flash_attention lora_r lora_target_linear dataset_prepared_path optimizer",
    "trl": "dataset_name model_name_or_path num_generations max_completion_length beta epsilon epsilon_high scale_rewards "
    "loss_type dataset_train_split use_peft reward_model_name_or_path num_iterations attn_implementation dtype torch_dtype "
    "reward_weights reward_funcs lora_target_modules importance_sampling_level max_prompt_length use_vllm lora_r",
}  # fmt: skip
AMONG = {name: frozenset(keys.split()) for name, keys in KEYS.items()}
ONLY = {  # one such key decides, whatever else there is
    "verl": "actor_rollout_ref.",
    "skyrl": "trainer.algorithm. trainer.policy. trainer.placement.",
    "areal": "gconfig. allocation_mode",
    "nemo-rl": "loss_fn.",
    "ms-swift": "rlhf_type tuner_type",
    "llama-factory": "finetuning_type",
    "axolotl": "base_model",
    "openrlhf": "algo. ds. init_kl_coef ref_num_nodes reward_pretrain actor_num_nodes advantage_estimator actor_learning_rate "
    "critic_learning_rate micro_rollout_batch_size colocate_all_models",
}
DECIDES = {name: frozenset(keys.split()) for name, keys in ONLY.items()}
NEEDS_ONE = ("openrlhf",)  # its other words are those of many programs
TRL_CLASSES = {  # by options that only one class of TRL has, or had
    "GRPOConfig": ("num_generations", "epsilon_high", "scale_rewards"),
    "DPOConfig": ("precompute_ref_log_probs", "rpo_alpha", "ld_alpha", "f_divergence_type"),
    "SFTConfig": ("max_seq_length", "packing", "assistant_only_loss", "completion_only_loss", "dataset_text_field"),
}
PACKAGES = {name: name for name in ("verl", "openrlhf", "skyrl", "areal", "axolotl", "trl")}  # in the names of programs
PACKAGES |= {"ms-swift": "swift", "llama-factory": "llamafactory"}
LAUNCHERS = ("accelerate", "torchrun", "deepspeed")  # of programs that read flags; NeMo-RL is started by Ray


def program_of(words: list[str]) -> tuple[str, str, int] | None:
    """The framework whose program is started, the program as it is written, and how many words stand up to its name."""
    for framework, pattern, behind in PROGRAMS:
        for place, word in enumerate(words):
            if (
                word[:1] == "-"
                or "=" in word
                or len(word) > 300
                or not re.fullmatch(pattern, word)
                or NOT_TRAINING.fullmatch(word.rsplit("/")[-1])
            ):
                continue
            following = words[place + 1] if len(words) > place + 1 else ""
            if framework == "nemo-rl" and any(before.rsplit("/")[-1] in LAUNCHERS for before in words[:place]):
                return "trl", word, place + 1
            if behind is None:
                return framework, word, place + 1
            if re.fullmatch(behind, following):
                return framework, f"{word.rsplit('/')[-1]} {following}", place + 2
    return None


def hits(keys: Iterable[str], names: Collection[str]) -> int:
    """How many of the names occur: as a key, or as the beginning of one up to a dot."""
    beginnings = {key[: place + 1] for key in keys for place, sign in enumerate(key[:200]) if sign == "."}
    return len((beginnings | set(keys)) & set(names))


def framework_of_keys(keys: Collection[str]) -> str | None:
    """The framework that the keys belong to; None if they say nothing, and an error if they say two."""
    sure = [name for name, names in DECIDES.items() if hits(keys, names)]
    among = sure or [name for name in FRAMEWORKS if name not in NEEDS_ONE]
    scores = {name: hits(keys, AMONG[name]) for name in among}
    best = max(scores.values())
    if best < 2 and not set(sure) - {"axolotl"}:  # others have a base_model too
        return None
    winners = [name for name in among if scores[name] == best]
    if len(winners) > 1:
        raise InputError(
            f"these options could be those of {' or of '.join(winners)}, which share their names: "
            f"say which with --framework {winners[0]}"
        )
    return winners[0]


def names_package(program: str, framework: str) -> bool:
    """Whether a program says whose it is, as verl.trainer.main_ppo does and run_grpo.py does not."""
    return framework in PACKAGES and PACKAGES[framework] in program


def is_of_trl(keys: Collection[str]) -> bool:
    """Whether options of a program named like one of NeMo-RL are flat ones of TRL, and none stands in its parts."""
    return hits(keys, AMONG["trl"]) >= 2 and not hits(keys, AMONG["nemo-rl"])


def trl_class(text: str, keys: Collection[str] = ()) -> str | None:
    """The config class of TRL that a script's name, a command or typical options stand for."""
    spelled = {"gspo": "GRPO", "async_grpo": "AsyncGRPO", "online_dpo": "OnlineDPO", "nash_md": "NashMD", "reward": "Reward",
               "gold": "GOLD", "distillation": "Distillation",
               "simpo": "SimPO"}  # fmt: skip
    found = re.findall(rf"(?:^|[^a-z])({METHODS}|simpo)(?=$|[^a-z]|vlm)", text.lower())
    if found:
        return f"{spelled.get(found[-1], found[-1].upper())}Config"
    return next((name for name, own in TRL_CLASSES.items() if hits(keys, own)), None)
