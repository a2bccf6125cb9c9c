"""Which trainer of a framework a config is for: what it starts, what an option chooses, or which blocks it has."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from reference.configs.option import ConfigRead, Option
from reference.frameworks.defaults import Framework
from reference.objectives.shapes import InputError

Options = Mapping[str, Option]
OTHER_TRAINER = re.compile(
    r"(^|[^a-z])(sft|dpo|kto|orpo|cpo|simpo|bco|xpo|rm|prm|kd|reward|distill|distillation|gkd|gold|pt|ebft|ipo)($|[^a-z])",
    re.IGNORECASE,
)


def entry_of(framework: Framework, config: ConfigRead) -> str:
    """The trainer that a config names, else the first. Raises ``InputError`` for one that is not recorded."""
    if framework.name == "trl" and config.entry is None:
        raise InputError(
            "nothing says which trainer of TRL reads these options: give the file the name of the method, as grpo.yaml or "
            "dpo.yaml, or explain the Python script that names the config's class"
        )
    chosen = CHOSEN[framework.name](config.options, config.entry or "") if framework.name in CHOSEN else None
    named = chosen or config.entry or ""
    for one in sorted(framework.entries, key=len, reverse=True):
        if one and re.search(rf"(^|[^a-zA-Z]){re.escape(one)}($|[^a-zA-Z])", named):
            return one
    if chosen or OTHER_TRAINER.search(named) or named.endswith("Config"):
        there = ", ".join(filter(None, framework.entries)) or "its trainer of reinforcement learning"
        raise InputError(
            f"this config is for {named}, and of {framework.title} {framework.version} the defaults of {there} are recorded, "
            "and no others: nothing is known of what it leaves silent"
        )
    return framework.entries[0]


def value(options: Options, name: str) -> Any:
    return options[name].value if name in options else None


def blocks_of(options: Options) -> set[str]:
    return {name.lstrip("+").split(".")[0] for name in options if "." in name}


def ms_swift(options: Options, entry: str) -> str | None:
    """rlhf_type; its dpo on Megatron is another than that of swift."""
    chosen = value(options, "rlhf_type") or ("dpo" if "rlhf" in entry else None)  # dpo is its default there
    if chosen is None:
        return None
    return f"megatron {chosen}" if chosen == "dpo" and "megatron" in entry else str(chosen)


def llamafactory(options: Options, entry: str) -> str:
    return str(value(options, "stage") or "sft")


def axolotl(options: Options, entry: str) -> str:
    """rl; gdpo is grpo with another way to add rewards. Without it, and without a reward model, demonstrations are learned."""
    chosen = value(options, "rl")
    if chosen is not None:
        return {"gdpo": "rl: grpo"}.get(str(chosen), f"rl: {chosen}")
    models = [name for name in ("reward_model", "process_reward_model") if value(options, name) is True]
    return models[0] if models else "supervised"


def nemo_rl(options: Options, entry: str) -> str | None:
    """Each of its programs has a block of its name; the first of these, since others are inherited."""
    if re.search(r"run_\w+", entry):
        return None
    blocks = blocks_of(options)
    for block in ("distillation", "rm", "dpo", "sft", "ppo", "grpo"):
        if block in blocks:
            return f"run_{block}.py"
    return None


def areal(options: Options, entry: str) -> str:
    """What samples has a block for it; of the others a critic is a reward model, and a reference belongs to pairs."""
    if blocks_of(options) & {"gconfig", "rollout"}:
        return "PPOTrainer"
    if value(options, "actor.is_critic") is True:
        return "RWTrainer"
    return "DPOTrainer" if "actor.beta" in options or "ref" in blocks_of(options) else "SFTTrainer"


CHOSEN: dict[str, Callable[[Options, str], str | None]] = {
    "ms_swift": ms_swift, "llamafactory": llamafactory, "axolotl": axolotl, "nemo_rl": nemo_rl, "areal": areal,
}  # fmt: skip
