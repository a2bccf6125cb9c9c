"""Functions and classes taken out of a package whose modules cannot be imported without a GPU or many other packages.

Imports nothing but the standard library, so that the recording scripts can use it where `reference` is not installed.
"""

import __future__

import ast
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any


def taken(package: str, file: str, *names: str, **needs: object) -> ModuleType:
    """A module with some functions, classes and constants of a file and nothing else of it: their own source, as it stands.

    ``needs``: what they read from their module. Annotations are not evaluated, so they need nothing.
    """
    found = {name: node for node in tree_of(package, file).body if (name := name_of(node)) in names}
    if missing := set(names) - found.keys():
        raise LookupError(f"{package}/{file} has no {sorted(missing)}: another version is installed")
    return compiled(file, list(found.values()), needs)


def class_of_methods(package: str, file: str, name: str, *methods: str, **needs: object) -> Any:
    """A class with some of its methods, without bases and decorators: ``staticmethod`` stays."""
    (whole,) = (x for x in tree_of(package, file).body if isinstance(x, ast.ClassDef) and x.name == name)
    kept = [node for node in whole.body if isinstance(node, ast.FunctionDef) and node.name in methods]
    if missing := set(methods) - {node.name for node in kept}:
        raise LookupError(f"{name} of {package}/{file} has no {sorted(missing)}: another version is installed")
    for method in kept:
        method.decorator_list = [d for d in method.decorator_list if isinstance(d, ast.Name) and d.id == "staticmethod"]
    whole.bases, whole.keywords, whole.decorator_list, whole.body = [], [], [], list(kept)
    return getattr(compiled(file, [whole], needs), name)


def name_of(node: ast.stmt) -> str:
    """What a statement defines, or nothing."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return node.name
    return ast.unparse(node.targets[0]) if isinstance(node, ast.Assign) else ""


def tree_of(package: str, file: str) -> ast.Module:
    """The source of a file, read without importing its package."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"{package} is not installed here")
    return ast.parse((Path(spec.submodule_search_locations[0]) / file).read_text())


def compiled(file: str, nodes: list[ast.stmt], needs: dict[str, object]) -> ModuleType:
    home = ModuleType("alone." + file.removesuffix(".py").replace("/", "."))
    home.__dict__.update(needs)
    sys.modules[home.__name__] = home  # where dataclasses look for it
    code = compile(ast.Module(nodes, []), file, "exec", flags=__future__.annotations.compiler_flag, dont_inherit=True)
    exec(code, home.__dict__)
    return home
