"""Which calls in Python source fill a config of TRL, and which of them a trainer gets."""

import ast
import re

from reference.configs.literals import source_of

CONFIG = re.compile(r"[A-Z]\w*Config|TrainingArguments")
NOT_TRAINING = re.compile(
    r"(Lora|Peft|BitsAndBytes|Model|Generation|Auto|Dataset|Reward?Model|Quantization|Vision|Text|Qwen|Llama|Adapter|"
    r"DeepSpeed|Wandb|Logging|Experiment|Eval|Env|Reranker|Quanto|GPTQ|Dynamic|Script)\w*(Config|Arguments)"
)  # fmt: skip
TRL = ("trl", "open_r1", "unsloth")
ORDER = (
    "GRPO",
    "RLOO",
    "PPO",
    "DPO",
    "KTO",
    "ORPO",
    "CPO",
    "XPO",
    "NashMD",
    "BCO",
    "GKD",
    "GOLD",
    "Distillation",
    "Reward",
    "PRM",
    "SFT",
)


def called(call: ast.Call) -> str:
    """The last name of what is called: GRPOConfig in trl.GRPOConfig(...)."""
    function = call.func
    return (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )


def own_classes(tree: ast.AST) -> dict[str, str]:
    """Classes of the file that extend a config: MyConfig -> GRPOConfig."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for base in node.bases:
                name = base.attr if isinstance(base, ast.Attribute) else base.id if isinstance(base, ast.Name) else ""
                if is_config(found.get(name, name)):
                    found[node.name] = found.get(name, name)
    return found


def is_config(name: str) -> bool:
    return bool(CONFIG.fullmatch(name)) and not NOT_TRAINING.fullmatch(name)


def class_of(call: ast.Call, classes: dict[str, str]) -> str | None:
    name = classes.get(called(call), called(call))
    return name if is_config(name) else None


def from_trl(name: str, tree: ast.AST) -> bool:
    """Whether a class is TRL's: imported from it, or used without any import, as in a cell of a notebook."""
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module and not node.level]
    packages = {
        (node.module or "").split(".")[0]
        for node in imports
        if any((alias.asname or alias.name) == name for alias in node.names)
    }
    if name == "TrainingArguments":  # of transformers; old trainers of TRL take it
        return any((node.module or "").split(".")[0] in TRL for node in imports)
    return bool(packages & set(TRL)) or (not packages and any(method in name for method in ORDER))


def choose(calls: list[ast.Call], tree: ast.AST, classes: dict[str, str]) -> ast.Call:
    """The config that a trainer gets as ``args``; of several, reinforcement learning before the rest, the later one."""
    given = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and called(node).endswith("Trainer"):
            for keyword in node.keywords:
                if keyword.arg in ("args", "config"):
                    given.add(source_of(keyword.value))
    targets = {source_of(node.targets[0]): node.value for node in ast.walk(tree) if isinstance(node, ast.Assign)}
    used = [targets.get(name) for name in given]

    def rank(call: ast.Call) -> tuple[int, int, int]:
        name = class_of(call, classes) or ""
        place = next((len(ORDER) - index for index, method in enumerate(ORDER) if method in name), 0)
        return place, call in used or source_of(call) in given, call.lineno

    return max(calls, key=rank)
