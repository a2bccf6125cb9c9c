"""All options that a framework has: so that a config's option can be told from a slip of the pen.

A reader of names takes the folder that holds the package and returns the names as users write them.
"""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from .source import class_named, dict_of, text, tree

Names = Callable[[Path], list[str]]


def fields(file: str, owner: str, prefix: str = "") -> Names:
    """The annotated fields of a class, without those of its parents: ``beta``, or ``prefix + beta``."""

    def read(root: Path) -> list[str]:
        body = class_named(root, file, owner).body
        return [
            prefix + node.target.id
            for node in body
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
        ]

    return read


def yaml_keys(file: str, prefix: str = "", under: str = "") -> Names:
    """The dotted keys of a YAML file, leaves and branches; of the part ``under`` these keys alone."""

    def read(root: Path) -> list[str]:
        node = yaml.compose(text(root, file), Loader=yaml.SafeLoader)
        for key in filter(None, under.split(".")):
            node = dict_of(node)[key]
        return [prefix + name for name in keys(node)]

    return read


def keys(node: yaml.Node, above: str = "") -> Iterator[str]:
    for key, value in dict_of(node).items():
        if key not in ("_target_", "defaults"):
            yield above + key
            yield from keys(value, f"{above}{key}.")


def arguments(file: str) -> Names:
    """The flags of every ``add_argument`` in a file, as they are typed."""

    def read(root: Path) -> list[str]:
        calls = [node for node in ast.walk(tree(root, file)) if isinstance(node, ast.Call)]
        added = [node for node in calls if isinstance(node.func, ast.Attribute) and node.func.attr == "add_argument"]
        return [arg.value for node in added for arg in node.args if isinstance(arg, ast.Constant)]

    return read


def all_names(readers: list[Names], root: Path) -> list[str]:
    return sorted({name for reader in readers for name in reader(root)})
