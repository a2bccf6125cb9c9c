"""The mutants of one file: what cosmic-ray's operators and ``slips.py`` change, less what says nothing about the tests."""

import difflib
import hashlib
import warnings
from collections import Counter
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.ast.ast_query import ASTQuery
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names
from parso.tree import NodeOrLeaf
from slips import changes, functions_around

SAME_AS_ANOTHER = "ReplaceUnaryOperator_USub_UAdd"  # +x for -x: what leaving out the minus already gives


def in_annotation(node: NodeOrLeaf) -> bool:
    """Whether a parso node lies in the annotation of an argument, of a variable or of a result."""
    while node.parent is not None:
        kind, siblings = node.parent.type, node.parent.children
        if (kind == "tfpdef" and node is siblings[2]) or (kind == "annassign" and node is siblings[1]):
            return True
        if kind == "funcdef" and node is node.parent.annotation:
            return True
        node = node.parent
    return False


def function_of(node: NodeOrLeaf) -> str:
    """The function a node belongs to; a decorator belongs to what it decorates."""
    ancestor = node
    while ancestor is not None and ancestor.type != "decorated":
        ancestor = ancestor.parent if ancestor.type in ("decorator", "decorators") else None
    return ancestor.children[-1].name.value if ancestor else ASTQuery(node).get_definition_name() or ""


def body_of(node: NodeOrLeaf) -> str:
    """The innermost function whose body, not its signature or decorator, holds a node; "" outside of functions."""
    while node.parent is not None:
        if node.parent.type == "funcdef" and node is node.parent.children[-1]:
            return node.parent.name.value
        node = node.parent
    return ""


def why_excluded(source: str, seen: set[str]) -> str | None:
    """Why a mutant is not counted, or None."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", SyntaxWarning)  # Python's own word on `name is "text"`: not a meaningful program
        try:
            compile(source, "mutant", "exec")
        except (SyntaxError, SyntaxWarning):
            return "does not compile without a warning"
    return "same text as another mutant" if source in seen else None


def described(file: str, source: str, mutated: str, **about: str | int) -> dict:
    """A mutant as the report names it."""
    diff = list(difflib.unified_diff(source.splitlines(), mutated.splitlines(), lineterm="", n=0))[2:]
    changed = {sign: " ".join(line[1:].strip() for line in diff if line[0] == sign) for sign in "-+"}
    identity = hashlib.sha256(f"{file}\n{mutated}".encode()).hexdigest()[:16]
    return {"id": identity, "file": file, **about, "line": changed["-"], "mutant": changed["+"], "source": mutated}


def mutants(file: str, root: Path, excluded: Counter) -> list[dict]:
    """All mutants of one file. Operators that need to be told names (and then draw random numbers) are not used."""
    source = (root / file).read_text()
    tree, seen, found = get_ast(source), {source}, []

    def add(mutated: str | None, **about: str | int) -> None:
        reason = "in an annotation" if mutated is None else why_excluded(mutated, seen)
        if reason:
            excluded[reason] += 1
        else:
            seen.add(mutated)
            found.append(described(file, source, mutated, **about))

    for name in operator_names():
        if get_operator(name).arguments() or name.endswith(SAME_AS_ANOTHER):
            continue
        operator = get_operator(name)()
        places = [(node, start) for node in ast_nodes(tree) for start, _ in operator.mutation_positions(node)]
        for occurrence, (node, start) in enumerate(places):
            mutated = None if in_annotation(node) else mutate_code(source, operator, occurrence)
            add(
                mutated, function=function_of(node), body_of=body_of(node), operator=name.split("/")[1], number=start[0]
            )
    for name, node, mutated in changes(source):
        around = [f.name for f in functions_around(source, node)] or [""]
        add(mutated, function=around[0], body_of=around[-1], operator=name, number=node.lineno)
    return found
