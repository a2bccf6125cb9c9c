"""Changes that cosmic-ray does not make, and that people do: a call left out, swapped arguments, min for max.

Each yields the changed source. What only crashes at once (``torch`` instead of ``torch.where(...)``) is not made.
"""

import ast
from collections.abc import Iterator

OTHER = {
    "amax": "amin", "amin": "amax", "maximum": "minimum", "minimum": "maximum", "mean": "sum", "sum": "mean", "any": "all",
    "all": "any", "std": "var", "exp": "expm1", "expm1": "exp", "clamp_min": "clamp_max", "clamp_max": "clamp_min",
    "sigmoid": "tanh", "relu": "abs", "softmax": "log_softmax", "min": "max", "max": "min", "zeros_like": "ones_like",
    "isnan": "isinf", "isinf": "isnan", "square": "abs", "abs": "square", "rsqrt": "sqrt", "comb": "perm",
}  # fmt: skip
MODULES = {"torch", "math", "inspect", "functools"}


def changes(source: str) -> Iterator[tuple[str, ast.AST, str]]:
    """(name of the change, the node it is about, the source with it)."""
    tree = ast.parse(source)
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line.encode()))
    raw = source.encode()

    def text(node: ast.AST) -> str:
        return raw[slice(*span(node))].decode()

    def span(node: ast.AST) -> tuple[int, int]:
        return starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset

    def replaced(node: ast.AST, new: str) -> str:
        start, end = span(node)
        return (raw[:start] + new.encode() + raw[end:]).decode()

    raised = {id(node.exc) for node in ast.walk(tree) if isinstance(node, ast.Raise)}
    for node in ast.walk(tree):
        if is_check(node):
            yield "DropStatement", node, replaced(node, "pass")
        if not isinstance(node, ast.Call):
            continue
        method = isinstance(node.func, ast.Attribute) and text(node.func.value) not in MODULES
        if method:
            yield "DropMethodCall", node, replaced(node, text(node.func.value))
        elif node.args and id(node) not in raised and not isinstance(node.args[0], ast.Starred):
            yield "DropFunctionCall", node, replaced(node, text(node.args[0]))
        for first, second in zip(node.args, node.args[1:], strict=False):
            swapped = replaced(second, text(first))  # the later one first, so that positions hold
            start, end = span(first)
            cut = swapped.encode()
            yield "SwapArguments", node, (cut[:start] + text(second).encode() + cut[end:]).decode()
        for keyword in node.keywords:
            kept = [*map(text, node.args), *(text(k) for k in node.keywords if k is not keyword)]
            yield "DropKeyword", node, replaced(node, f"{text(node.func)}({', '.join(kept)})")
        if isinstance(node.func, ast.Attribute) and node.func.attr in OTHER:
            end = span(node.func)[1]
            name = node.func.attr.encode()
            yield "OtherFunction", node, (raw[: end - len(name)] + OTHER[node.func.attr].encode() + raw[end:]).decode()


def is_check(node: ast.AST) -> bool:
    """A statement that computes nothing: a call for its own sake, or an ``if`` that only raises."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Call)
    return isinstance(node, ast.If) and all(isinstance(inner, ast.Raise) for inner in node.body) and not node.orelse


def functions_around(source: str, node: ast.AST) -> list[ast.FunctionDef]:
    """The functions whose body holds a node, outermost first."""
    found = [f for f in ast.walk(ast.parse(source)) if isinstance(f, ast.FunctionDef)]
    inside = [f for f in found if f.body[0].lineno <= node.lineno and node.end_lineno <= f.end_lineno]
    return sorted(inside, key=lambda f: f.lineno)
