"""The config of a trainer in Python source: calls such as ``GRPOConfig(beta=0.04)``, parsed and never executed."""

import ast
import itertools
import warnings

from reference.configs.literals import Names, collect_names, dictionary_of, source_of, value_of_node, written
from reference.configs.option import Draft, Pair
from reference.configs.python_classes import called, choose, class_of, from_trl, is_config, own_classes
from reference.objectives.shapes import InputError

GOES_ON = (")", "]", "}", "#", "else", "elif", "except", "finally")  # begins no statement
DEEPEST, MOST_OPTIONS = 5, 5000  # dictionaries inside of dictionaries can name each other


def read_python(text: str, *, where: str) -> Draft:
    """The config that a trainer of TRL gets, from the calls and the assignments of a file."""
    draft = Draft()
    tree, trouble = parsed(text)
    if trouble is not None:
        line = trouble.lineno or 1
        draft.notes.append(f"line {line}: {trouble.msg}; the statement around it was not read")
        tree = in_pieces(text)
    if tree is None or (trouble is not None and "Config(" not in text):
        raise InputError(f"{where} is not Python that can be read: it is nested too deep, or it is no Python at all")
    names = collect_names(tree)
    names.lines = text.split("\n")
    classes = own_classes(tree)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    calls = [call for call in calls if (name := class_of(call, classes)) and from_trl(name, tree)]
    if not calls and trouble is not None:
        raise InputError(f"{where} is not Python that can be read: {trouble.msg} in line {trouble.lineno}")
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


def parsed(text: str) -> tuple[ast.Module | None, SyntaxError | None]:
    """The tree of a text, or what is wrong with it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an invalid escape in their file is not our warning
            return ast.parse(text), None
    except SyntaxError as trouble:
        return None, trouble
    except (ValueError, MemoryError, RecursionError):
        return None, None


def in_pieces(text: str) -> ast.Module:
    """The statements of a text that can be parsed, each on its own: a newer syntax in one place spoils that one only."""
    lines = text.split("\n")
    starts = [
        number
        for number, line in enumerate(lines)
        if line[:1].strip() and not line.startswith(GOES_ON) and not lines[number - 1].startswith("@")
    ]
    whole = ast.Module([], [])
    for start, end in itertools.pairwise([*starts, len(lines)]):
        tree, _ = parsed("\n".join(lines[start:end]))
        if tree is not None:
            ast.increment_lineno(tree, start)
            whole.body += tree.body
    return whole


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
        for name, each in inside.items():
            add_option(draft, f"{key}.{name}", each, names, where=where)
        return
    value, note = value_of_node(node, names)
    if note:
        draft.notes.append(f"line {node.lineno}: {key} is {note}")
    draft.pairs.append(Pair(key, value, written(node, names), node.lineno, where))


def add_later(draft: Draft, tree: ast.AST, call: ast.Call, names: Names, *, where: str) -> None:
    """``config.beta = 0`` behind the call: it changes what the call said."""
    variable = next(
        (source_of(node.targets[0]) for node in ast.walk(tree) if isinstance(node, ast.Assign) and node.value is call),
        None,
    )
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Assign) and len(node.targets) == 1 and node.lineno > call.lineno):
            continue
        target = node.targets[0]
        if isinstance(target, ast.Attribute) and variable is not None and source_of(target.value) == variable:
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
