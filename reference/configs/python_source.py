"""The config of a trainer in Python source: calls such as ``GRPOConfig(beta=0.04)``, parsed and never executed."""

import ast
import re
import warnings

from reference.configs.literals import Names, collect_names, dictionary_of, source_of, value_of_node
from reference.configs.option import Draft, Pair
from reference.objectives.shapes import InputError

CONFIG = re.compile(r"[A-Z]\w*Config|TrainingArguments")
NOT_TRAINING = re.compile(
    r"(Lora|Peft|BitsAndBytes|Model|Generation|Auto|Dataset|Reward?Model|Quantization|Vision|Text|Qwen|Llama|Adapter|"
    r"DeepSpeed|Wandb|Logging|Experiment|Eval|Env|Reranker|Quanto|GPTQ|Dynamic|Script)\w*(Config|Arguments)"
)  # fmt: skip
TRL = ("trl", "open_r1", "unsloth")
DEEPEST, MOST_OPTIONS = 5, 5000  # dictionaries inside of dictionaries can name each other
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


def read_python(text: str, *, where: str, first_line: int = 1) -> Draft:
    """The config that a trainer of TRL gets, from the calls and the assignments of a file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an invalid escape in their file is not our warning
            tree = ast.parse(text)
    except SyntaxError as trouble:
        line = (trouble.lineno or 1) + first_line - 1
        raise InputError(f"{where} is not Python that can be read: {trouble.msg} in line {line}") from None
    except (ValueError, MemoryError, RecursionError):
        raise InputError(f"{where} is not Python that can be read: it is nested too deep, or has a zero byte") from None
    if first_line > 1:
        ast.increment_lineno(tree, first_line - 1)
    names = collect_names(tree)
    draft = Draft()
    classes = own_classes(tree)
    calls = [call for call in ast.walk(tree) if isinstance(call, ast.Call) and (name := class_of(call, classes))]
    calls = [call for call in calls if from_trl(class_of(call, classes) or "", tree)]
    if not calls:
        return from_parser(draft, tree, classes, names, where=where)
    chosen = choose(calls, tree, classes)
    draft.framework, draft.entry = "trl", class_of(chosen, classes)
    add_call(draft, chosen, names, where=where)
    add_later(draft, tree, chosen, names, where=where)
    for call in calls:
        if call is not chosen:
            draft.notes.append(f"line {call.lineno}: {called(call)}(...) is another config, and was not read")
    return draft


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


def add_call(draft: Draft, call: ast.Call, names: Names, *, where: str) -> None:
    """The keywords of a call, those of ``**a_dictionary`` too where the file says what is in it."""
    for argument in call.args:
        draft.notes.append(f"line {argument.lineno}: `{source_of(argument, 40)}` has no keyword, and was not read")
    for keyword in call.keywords:
        if keyword.arg is not None:
            add_option(draft, keyword.arg, keyword.value, names, where=where)
            continue
        inside = dictionary_of(keyword.value, names)
        if inside is None:
            source = source_of(keyword.value, 40)
            draft.notes.append(f"line {keyword.value.lineno}: **{source} holds more options, which are not known")
        for key, value in (inside or {}).items():
            add_option(draft, key, value, names, where=where)


def add_option(draft: Draft, key: str, node: ast.expr, names: Names, *, where: str) -> None:
    """One option; a dictionary is one option per key, ``model_init_kwargs.dtype``."""
    inside = dictionary_of(node, names) if key.count(".") < DEEPEST and len(draft.pairs) < MOST_OPTIONS else None
    if inside:
        for name, value in inside.items():
            add_option(draft, f"{key}.{name}", value, names, where=where)
        return
    value, note = value_of_node(node, names)
    if note:
        draft.notes.append(f"line {node.lineno}: {key} is {note}")
    draft.pairs.append(Pair(key, value, source_of(node, 2000), node.lineno, where))


def add_later(draft: Draft, tree: ast.AST, call: ast.Call, names: Names, *, where: str) -> None:
    """``config.beta = 0`` behind the call: it changes what the call said."""
    variable = next(
        (source_of(node.targets[0]) for node in ast.walk(tree) if isinstance(node, ast.Assign) and node.value is call),
        None,
    )
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Assign)
            and len(node.targets) == 1
            and isinstance(target := node.targets[0], ast.Attribute)
        ):
            if variable is not None and source_of(target.value) == variable and node.lineno > call.lineno:
                add_option(draft, target.attr, node.value, names, where=where)


def from_parser(draft: Draft, tree: ast.AST, classes: dict[str, str], names: Names, *, where: str) -> Draft:
    """``TrlParser((ScriptArguments, GRPOConfig))``: the class is known, and its options come from outside."""
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and called(node) in ("TrlParser", "HfArgumentParser", "H4ArgumentParser")):
            continue
        for name in (each.id for each in ast.walk(node) if isinstance(each, ast.Name)):
            full = classes.get(name, name)
            if is_config(full) and from_trl(full, tree):
                draft.framework, draft.entry = "trl", full
                draft.notes.append(
                    f"line {node.lineno}: the options of {name} come from a command line or a YAML file, "
                    "which is not in this file"
                )
                variable = ast.Name("training_args")
                add_later(draft, tree, ast.Call(variable, [], [], lineno=node.lineno), names, where=where)
                return draft
    return draft
