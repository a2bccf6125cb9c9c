"""The file of a config of TRL: Python, or YAML for ``trl grpo --config FILE`` and the other scripts of TRL."""

import math
from typing import Any

from reference.frameworks.exporters.parts import Exported
from reference.frameworks.exporters.words import commented, header, title
from reference.frameworks.exporters.yaml_text import yaml_value
from reference.objectives.shapes import InputError

TRAINERS = {"GRPOConfig": "reward_funcs=REWARD, ", "RLOOConfig": "reward_funcs=REWARD, "}  # what else a trainer takes
EXPERIMENTAL = {"CPOConfig": "cpo"}
NEEDS_TOKENIZER = ("CPOConfig",)
COMMANDS = {
    "GRPOConfig": "grpo",
    "RLOOConfig": "rloo",
    "DPOConfig": "dpo",
    "KTOConfig": "kto",
    "SFTConfig": "sft",
    "RewardConfig": "reward",
}


def script(exported: Exported, model: str | None) -> str:
    config = exported.entry
    trainer, module = (
        config.replace("Config", "Trainer"),
        f"trl.experimental.{EXPERIMENTAL[config]}" if config in EXPERIMENTAL else "trl",
    )
    tokenizer = config in NEEDS_TOKENIZER
    lines = [f'"""{title(exported)}"""', "", *[f"# {line}" if line else "#" for line in header(exported)], ""]
    lines += ["from transformers import AutoTokenizer"] * tokenizer + [f"from {module} import {config}, {trainer}", ""]
    names = [one.variable for one in exported.placeholders]
    for one in exported.placeholders:
        known = model if one.variable == "MODEL" else None
        lines.append(f"{one.variable} = {known!r}" if known else f"{one.variable} = ...  # FILL IN: {one.what}")
    lines += [f"if any(value is ... for value in ({', '.join(names)})):",
              f'    raise SystemExit("fill in {", ".join(names)} at the top of this file")', ""]  # fmt: skip
    lines += [
        f"config = {config}(",
        *commented(exported, lambda name, value: [f"{name}={python_value(value)},"], indent=4),
        ")",
    ]
    more = TRAINERS.get(config, "") + ("processing_class=AutoTokenizer.from_pretrained(MODEL), " if tokenizer else "")
    lines += [f"trainer = {trainer}(model=MODEL, args=config, {more}train_dataset=DATASET)", "trainer.train()"]
    return "\n".join(lines) + "\n"


def python_value(value: Any) -> str:
    if isinstance(value, float) and math.isinf(value):
        return 'float("inf")'
    return repr(value)


def yaml(exported: Exported, model: str | None) -> str:
    """Refused for a trainer that no script of TRL starts."""
    if exported.entry not in COMMANDS:
        raise InputError(
            f"no script of TRL starts {exported.entry}, so that no YAML file is read for it: name a file that ends in .py"
        )
    command = f"trl {COMMANDS[exported.entry]} --config THIS_FILE"
    lines = [
        f"# {title(exported)}",
        f"# Start it with: {command}",
        "#",
        *[f"# {line}" if line else "#" for line in header(exported)],
        "",
    ]
    for one in exported.placeholders:
        known = model if one.variable == "MODEL" else None
        for option in one.options:
            lines.append(f"{option}: {yaml_value(known)}" if known else f"# FILL IN {option}: {one.what}")
    lines += ["", *commented(exported, lambda name, value: [f"{name}: {yaml_value(value)}"], indent=0)]
    return "\n".join(lines) + "\n"
