"""Values of Python expressions that need no program: literals, names that are assigned once, and their arithmetic."""

import ast
import math
import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from reference.configs.option import UNEVALUATED

ARITHMETIC: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
}
CHANGES = ("update", "append", "extend", "pop", "setdefault", "insert", "remove")
LARGEST = 10**15  # of a number in arithmetic: nobody trains for longer
DEEPEST = 30  # names that stand for names
MOST_STEPS = 200_000  # lists of names of lists grow without an end
LONGEST = 10_000  # characters of a text that is put together


@dataclass
class Names:
    """What a file says about its names: the one expression each stands for, and the defaults of its command line."""

    values: dict[str, ast.expr] = field(default_factory=dict)
    defaults: dict[str, ast.expr] = field(default_factory=dict)
    steps: int = 0  # how many expressions were looked at
    lines: list[str] = field(default_factory=list)  # of the file


def collect_names(tree: ast.AST) -> Names:
    """Names with one value in the whole file; one that is also a parameter, or changed, or looped over, has none."""
    found: dict[str, list[ast.expr | None]] = {}
    names = Names()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            found.setdefault(node.targets[0].id, []).append(node.value)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            found.setdefault(node.target.id, []).append(node.value)
        elif isinstance(node, ast.arg):
            found.setdefault(node.arg, []).append(None)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.setdefault(node.id, [])
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store) and isinstance(node.value, ast.Name):
            found.setdefault(node.value.id, []).append(None)  # a dictionary that is changed
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr == "add_argument":
                add_default(names, node)
            elif node.func.attr in CHANGES and isinstance(node.func.value, ast.Name):
                found.setdefault(node.func.value.id, []).append(None)
    stores = store_counts(tree)
    for name, values in found.items():
        texts = {ast.dump(value) if value is not None else "" for value in values}
        if len(texts) == 1 and values[0] is not None and stores.get(name, 0) == len(values):
            names.values[name] = values[0]
    return names


def store_counts(tree: ast.AST) -> dict[str, int]:
    counts: dict[str, int] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            counts[node.id] = counts.get(node.id, 0) + 1
    return counts


def add_default(names: Names, call: ast.Call) -> None:
    """``add_argument("--beta", default=0.1)``: what ``args.beta`` is when nobody says anything else."""
    flags = [node.value for node in call.args if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    default = next((keyword.value for keyword in call.keywords if keyword.arg == "default"), None)
    if flags and default is not None:
        names.defaults[max(flags, key=len).lstrip("-").replace("-", "_")] = default


def value_of_node(node: ast.expr, names: Names) -> tuple[object, str]:
    """The value of an expression, and a note on where it would come from if it has none."""
    value = evaluated(node, names, 0)
    if value is not UNEVALUATED or not isinstance(node, ast.Attribute):
        return value, ""
    default = names.defaults.get(node.attr)
    return (
        value,
        f"an option of the script itself, with the default {source_of(default, 40)}" if default is not None else "",
    )


def evaluated(node: ast.expr | None, names: Names, depth: int) -> object:
    """The value of an expression; UNEVALUATED as soon as a part of it would have to be run."""
    names.steps += 1
    if node is None or depth > DEEPEST or names.steps > MOST_STEPS:
        return UNEVALUATED
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str | int | float | bool | None) else UNEVALUATED
    if isinstance(node, ast.Name):
        return evaluated(names.values.get(node.id), names, depth + 1)
    if isinstance(node, ast.List | ast.Tuple):
        items = [evaluated(item, names, depth + 1) for item in node.elts]
        return UNEVALUATED if UNEVALUATED in items else items
    if isinstance(node, ast.Dict) and not node.keys:
        return {}
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd | ast.Not):
        return negated(node.op, evaluated(node.operand, names, depth + 1))
    if isinstance(node, ast.BinOp):
        return combined(node.op, evaluated(node.left, names, depth + 1), evaluated(node.right, names, depth + 1))
    if isinstance(node, ast.JoinedStr):
        return formatted(node, names, depth)
    if is_infinity(node):
        return math.inf
    return UNEVALUATED


def is_infinity(node: ast.expr) -> bool:
    """math.inf, np.inf, torch.inf, or float("inf")."""
    if isinstance(node, ast.Attribute):
        return isinstance(node.value, ast.Name) and node.value.id in ("math", "np", "torch") and node.attr == "inf"
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float"):
        return False
    return len(node.args) == 1 and isinstance(node.args[0], ast.Constant) and node.args[0].value == "inf"


def negated(sign: ast.unaryop, value: object) -> object:
    if isinstance(sign, ast.Not):
        return (not value) if isinstance(value, bool) else UNEVALUATED
    if not isinstance(value, int | float):
        return UNEVALUATED
    return -value if isinstance(sign, ast.USub) else value


def combined(sign: ast.operator, left: object, right: object) -> object:
    """Sums and products of small numbers, and joined texts."""
    if isinstance(sign, ast.Add) and isinstance(left, str) and isinstance(right, str):
        return left + right if len(left) + len(right) <= LONGEST else UNEVALUATED
    numbers = isinstance(left, int | float) and isinstance(right, int | float)
    if type(sign) not in ARITHMETIC or not numbers or max(abs(left), abs(right)) > LARGEST:  # type: ignore[arg-type]
        return UNEVALUATED
    try:
        return ARITHMETIC[type(sign)](left, right)
    except (ZeroDivisionError, OverflowError):
        return UNEVALUATED


def formatted(node: ast.JoinedStr, names: Names, depth: int) -> object:
    """An f-string whose parts are known and have no format of their own."""
    text = ""
    for part in node.values:
        plain = isinstance(part, ast.Constant) or (
            isinstance(part, ast.FormattedValue) and part.conversion == -1 and part.format_spec is None
        )
        inner = part.value if isinstance(part, ast.FormattedValue) else part
        value = evaluated(inner, names, depth + 1) if plain else UNEVALUATED
        if value is UNEVALUATED or len(text) > LONGEST:
            return UNEVALUATED
        text += str(value)
    return text


def dictionary_of(node: ast.expr, names: Names, depth: int = 0) -> dict[str, ast.expr] | None:
    """Keys and expressions of ``{...}``, ``dict(...)`` or a name for one; None for anything else."""
    if isinstance(node, ast.Name) and node.id in names.values and depth < DEEPEST:
        return dictionary_of(names.values[node.id], names, depth + 1)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict" and not node.args:
        keywords = [(keyword.arg, keyword.value) for keyword in node.keywords]
        return {key: value for key, value in keywords if key} if all(key for key, _ in keywords) else None
    if not isinstance(node, ast.Dict):
        return None
    keys = [key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else None for key in node.keys]
    return {key: value for key, value in zip(keys, node.values, strict=True) if key} if all(keys) else None


def source_of(node: ast.AST, longest: int = 200) -> str:
    """An expression as text on one line."""
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= longest else text[: longest - 3] + "..."


def written(node: ast.expr, names: Names) -> str:
    """An expression as it stands in the file, where it stands on one line."""
    if node.lineno == node.end_lineno and 0 < node.lineno <= len(names.lines):
        return names.lines[node.lineno - 1].encode()[node.col_offset : node.end_col_offset].decode()
    return source_of(node, 2000)
