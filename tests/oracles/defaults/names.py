"""All options that a framework has: so that a config's option can be told from a slip of the pen.

A reader of names takes the folder that holds the package and returns the names as users write them.
"""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from .source import class_named, dict_of, function_named, text, tree

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


def nested_fields(*files: str, owner: str) -> Names:
    """The dotted fields of a class in the first file, of its parents, and of the classes that fields are annotated with, in any file."""

    def read(root: Path) -> list[str]:
        classes = {
            node.name: node for file in files for node in tree(root, file).body if isinstance(node, ast.ClassDef)
        }
        return list(dotted(classes, classes[owner]))

    return read


def dotted(
    classes: dict[str, ast.ClassDef], owner: ast.ClassDef, above: str = "", path: tuple[str, ...] = ()
) -> Iterator[str]:
    """With the fields of parents. ``path``: the classes on the way here, which are not entered again."""
    path = (*path, owner.name)
    for base in owner.bases:
        if ast.unparse(base) in classes:
            yield from dotted(classes, classes[ast.unparse(base)], above, path)
    for node in owner.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield above + node.target.id
            yield from (above + alias for alias in aliases(node))
            for name in [part.id for part in ast.walk(node.annotation) if isinstance(part, ast.Name)]:
                if name in classes and name not in path:
                    yield from dotted(classes, classes[name], f"{above}{node.target.id}.", path)


def aliases(node: ast.AnnAssign) -> list[str]:
    """The name that a YAML file has for a field of pydantic: ``Field(alias="model_type")``."""
    keywords = node.value.keywords if isinstance(node.value, ast.Call) else []
    return [word.value.value for word in keywords if word.arg == "alias" and isinstance(word.value, ast.Constant)]


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


def parameters(file: str, function: str) -> Names:
    """The parameters of ``function`` or ``Class.method``, without ``self``."""

    def read(root: Path) -> list[str]:
        given = function_named(root, file, function).args
        return [each.arg for each in [*given.posonlyargs, *given.args, *given.kwonlyargs] if each.arg != "self"]

    return read


def all_names(readers: list[Names], root: Path) -> list[str]:
    return sorted({name for reader in readers for name in reader(root)})
