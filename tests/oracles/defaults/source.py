"""Reading a default where a package states it: as a field, an argument, a parameter, a line of YAML, or a line of code.

The package is read as text and never imported, so that its dependencies are not needed. Everything is found by name, and
what is found carries its file and line. ``NotFound`` says which name is gone: then the framework has changed.
"""

import ast
import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


class NotFound(LookupError):
    """The source has no such field, argument or line (any more), or has it twice."""


@dataclass(frozen=True)
class Found:
    """``value``: None, bool, number, text or a list of them; the text of the expression if it is none of those."""

    value: Any
    where: str  # file:line, the file relative to the folder that holds the package


# 1e-6 is a text to PyYAML, and a number to those who read these files: OmegaConf and the YAML of version 1.2.
WITHOUT_POINT = re.compile(r"[-+]?\d+[eE][-+]?\d+")

Reader = Callable[[Path], Found]  # from the folder that holds the package


def field(file: str, name: str) -> Reader:
    """The default of ``Class.field`` of a dataclass, a pydantic model or any class body: ``x: int = 3`` or ``x = 3``."""
    owner, _, attribute = name.rpartition(".")

    def read(root: Path) -> Found:
        for node in class_named(root, file, owner).body:
            target = (
                node.target
                if isinstance(node, ast.AnnAssign)
                else node.targets[0]
                if isinstance(node, ast.Assign)
                else None
            )
            if isinstance(target, ast.Name) and target.id == attribute:
                return Found(stated(node.value), f"{file}:{node.lineno}")
        raise NotFound(f"{file} has no {name}")

    return read


def parameter(file: str, name: str) -> Reader:
    """The default of ``function.parameter`` or ``Class.method.parameter``."""
    path, _, wanted = name.rpartition(".")

    def read(root: Path) -> Found:
        arguments = function_named(root, file, path).args
        positional = [*arguments.posonlyargs, *arguments.args]
        defaults = [None] * (len(positional) - len(arguments.defaults)) + arguments.defaults + arguments.kw_defaults
        for argument, default in zip([*positional, *arguments.kwonlyargs], defaults, strict=True):
            if argument.arg == wanted and default is not None:
                return Found(stated(default), f"{file}:{argument.lineno}")
        raise NotFound(f"{file} has no default for {name}")

    return read


def argument(file: str, flag: str) -> Reader:
    """The default of an ``add_argument`` of argparse."""

    def read(root: Path) -> Found:
        for node in ast.walk(tree(root, file)):
            if isinstance(node, ast.Call) and flag in [a.value for a in node.args if isinstance(a, ast.Constant)]:
                options = {keyword.arg: keyword.value for keyword in node.keywords}
                switch = stated(options["action"]) if "action" in options else ""
                default = {"store_true": False, "store_false": True}.get(switch)
                return Found(stated(options["default"]) if "default" in options else default, f"{file}:{node.lineno}")
        raise NotFound(f"{file} has no argument {flag}")

    return read


def yaml_value(file: str, name: str) -> Reader:
    """The value under dotted keys in a YAML file."""

    def read(root: Path) -> Found:
        node = yaml.compose(text(root, file), Loader=yaml.SafeLoader)
        for key in name.split("."):
            node = dict_of(node).get(key)
            if node is None:
                raise NotFound(f"{file} has no {name}")
        value = yaml.safe_load(yaml.serialize(node))
        if isinstance(value, str) and WITHOUT_POINT.fullmatch(value):
            value = float(value)
        return Found(value, f"{file}:{node.start_mark.line + 1}")

    return read


def code(file: str, line: str, *, of: str | None = None) -> Reader:
    """The one line of a file that contains this text, or of its function ``of``. The value is None: nobody can set it."""

    def read(root: Path) -> Found:
        lines = text(root, file).splitlines()
        first, last = 1, len(lines)
        if of is not None:
            function = function_named(root, file, of)
            first, last = function.lineno, function.end_lineno or last
        hits = [number for number in range(first, last + 1) if line in lines[number - 1]]
        if len(hits) != 1:
            raise NotFound(f"{file} has {len(hits)} lines with {line!r}, where one is expected")
        return Found(None, f"{file}:{hits[0]}")

    return read


def given(value: Any, reader: Reader) -> Reader:
    """A value that the code computes, beside the line that computes it."""
    return lambda root: Found(value, reader(root).where)


# --- how it is found ---


@functools.cache
def text(root: Path, file: str) -> str:
    path = root / file
    if not path.is_file():
        raise NotFound(f"there is no {file}")
    return path.read_text(encoding="utf-8")


@functools.cache
def tree(root: Path, file: str) -> ast.Module:
    return ast.parse(text(root, file))


def named(root: Path, file: str, path: str, kinds: tuple[type, ...]) -> Any:
    """The node that a dotted path of classes and functions leads to."""
    node: Any = tree(root, file)
    for name in path.split("."):
        inside: Iterator[Any] = (
            child for child in ast.walk(node) if child is not node and isinstance(child, DEFINITIONS)
        )
        found = [child for child in inside if child.name == name]
        if not found:
            raise NotFound(f"{file} has no {path}")
        node = found[0]
    if not isinstance(node, kinds):
        raise NotFound(f"{path} in {file} is not what it was")
    return node


DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def class_named(root: Path, file: str, path: str) -> ast.ClassDef:
    return named(root, file, path, (ast.ClassDef,))


def function_named(root: Path, file: str, path: str) -> ast.FunctionDef:
    return named(root, file, path, (ast.FunctionDef, ast.AsyncFunctionDef))


def stated(node: ast.expr | None) -> Any:
    """The value of an expression: a literal, ``field(default=...)``, or else its text."""
    if node is None:
        raise NotFound("a field without a default")
    if isinstance(node, ast.Call):
        options = {keyword.arg: keyword.value for keyword in node.keywords}
        if "default" in options:
            return stated(options["default"])
        if "default_factory" in options:
            factory = options["default_factory"]
            return stated(factory.body) if isinstance(factory, ast.Lambda) else f"{ast.unparse(factory)}()"
        if ast.unparse(node.func).rpartition(".")[2] == "Field" and node.args:
            return stated(node.args[0])
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError):
        return ast.unparse(node)
    return list(value) if isinstance(value, tuple) else value


def dict_of(node: yaml.Node) -> dict[str, yaml.Node]:
    return {key.value: value for key, value in node.value} if isinstance(node, yaml.MappingNode) else {}
