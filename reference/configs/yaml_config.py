"""A YAML file to flat options with their lines: nothing in it is constructed, so a tag runs no code."""

import re
from collections.abc import Iterator
from dataclasses import replace

import yaml

from reference.configs.option import UNEVALUATED, Draft, Pair
from reference.configs.values import number, value_of
from reference.objectives.shapes import InputError

INTERPOLATION = re.compile(r"\$\{([\w.]+)\}")
LARGEST = 2**20  # characters
MOST_NODES = 200_000  # aliases of aliases make a small file large
DEEPEST = 40
MERGE = "tag:yaml.org,2002:merge"
PLAIN = ("null", "bool", "int", "float", "str", "timestamp")


def read_yaml(text: str, *, where: str) -> Draft:
    """All leaves of a YAML file as ``a.b.c``, in their order."""
    draft = Draft()
    if len(text) > LARGEST:
        raise InputError(f"{where} is YAML of more than 1 MB, so it is no config that was written by hand")
    try:
        documents = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except yaml.YAMLError as trouble:
        raise InputError(f"{where} is not {format_of(where)} that can be read: {describe(trouble)}") from None
    except (RecursionError, ValueError):
        raise InputError(
            f"{where} is not {format_of(where)} that can be read: it is nested too deep, or has an impossible value"
        ) from None
    root = next((document for document in documents if isinstance(document, yaml.MappingNode)), None)
    if root is None:
        raise InputError(f"{where} has no options: a config is a mapping, with lines such as `beta: 0.04`")
    if len(documents) > 1:
        draft.notes.append(f"{where} has {len(documents)} YAML documents, of which the first mapping was read")
    check_size(root, where)
    draft.pairs = list(leaves(root, "", draft, where))
    return draft


def check_size(root: yaml.Node, where: str) -> None:
    """Refuse what is too deep or too large once every alias is written out."""
    todo, count = [(root, 0)], 0
    while todo:
        node, depth = todo.pop()
        count += 1
        if depth > DEEPEST or count > MOST_NODES:
            raise InputError(
                f"{where} is nested more than {DEEPEST} deep or has more than {MOST_NODES} values with its aliases "
                "written out, so it is no config that was written by hand"
            )
        if isinstance(node, yaml.MappingNode):
            todo += [(each, depth + 1) for pair in node.value for each in pair]
        elif isinstance(node, yaml.SequenceNode):
            todo += [(each, depth + 1) for each in node.value]


def format_of(where: str) -> str:
    return "JSON" if where.endswith(".json") else "YAML"


def describe(trouble: yaml.YAMLError) -> str:
    mark = getattr(trouble, "problem_mark", None)
    problem = str(getattr(trouble, "problem", "") or "it breaks a rule of YAML").replace("\n", " ")
    return f"{problem} in line {mark.line + 1}" if mark else problem


def leaves(node: yaml.MappingNode, before: str, draft: Draft, where: str) -> Iterator[Pair]:
    """The options of a mapping and of those inside of it. A key given twice is noted; as in every parser, the last counts."""
    seen: dict[str, int] = {}
    own = {key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.tag != MERGE}
    for key_node, value in node.value:
        if key_node.tag == MERGE:  # what is merged in counts less than what stands beside it, wherever that is
            for merged in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                if not isinstance(merged, yaml.MappingNode):
                    continue
                kept = [(key, each) for key, each in merged.value if key.value not in own]
                yield from leaves(yaml.MappingNode(merged.tag, kept), before, draft, where)
    for key_node, value in node.value:
        if key_node.tag == MERGE:
            continue
        line = key_node.start_mark.line + 1
        key = before + (str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "?")
        if key in seen and isinstance(value, yaml.MappingNode):
            draft.notes.append(
                f"{key} stands in lines {seen[key]} and {line} of {where}; most parsers keep the last block only, "
                "here both were read"
            )
        seen[key] = line
        if isinstance(value, yaml.MappingNode) and value.value:
            yield from leaves(value, f"{key}.", draft, where)
        elif not isinstance(value, yaml.MappingNode):
            yield Pair(key, plain(value), source(value), line, where)


def plain(node: yaml.Node) -> object:
    """The value of a scalar or a list; a mapping inside of a list is a dictionary. One unknown part makes it unknown."""
    if isinstance(node, yaml.SequenceNode):
        items = [plain(item) for item in node.value]
        return UNEVALUATED if UNEVALUATED in items else items
    if isinstance(node, yaml.MappingNode):
        inside = {str(key.value): plain(value) for key, value in node.value}
        return UNEVALUATED if UNEVALUATED in inside.values() else inside
    kind = node.tag.rsplit(":", 1)[-1]
    if kind not in PLAIN:
        return UNEVALUATED
    if "${" in node.value or "{{" in node.value:
        return UNEVALUATED
    return scalar(kind, node)


def scalar(kind: str, node: yaml.Node) -> object:
    """What YAML makes of a text; 1e-6 is a number here, because every framework takes it as one."""
    text = node.value
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() in ("true", "yes", "on", "y")
    quoted = isinstance(node, yaml.ScalarNode) and node.style in ("'", '"', "|", ">")
    if kind in ("int", "float", "str") and not quoted:
        found = number(text)
        return text if found is None else found
    return text


def source(node: yaml.Node) -> str:
    """A value as text on one line."""
    if isinstance(node, yaml.ScalarNode):
        return str(node.value)
    start, end = node.start_mark, node.end_mark
    return " ".join((start.buffer or "")[start.pointer : end.pointer].rstrip("\0").split())[:2000]


def interpolated(pairs: list[Pair]) -> list[Pair]:
    """Put in ``${a.b}``, the way of OmegaConf, where a.b is another option; ``${.b}`` is b beside this one."""
    values = {pair.key: pair for pair in pairs}
    done: dict[str, Pair] = {}
    return [done.setdefault(pair.key, resolved(pair, values, done)) for pair in pairs]


def resolved(pair: Pair, values: dict[str, Pair], done: dict[str, Pair]) -> Pair:
    is_block = pair.text.startswith(("- ", "{"))  # a list or mapping over several lines
    found = set(INTERPOLATION.findall(pair.text)) if pair.value is UNEVALUATED and not is_block else set()
    keys = {name: absolute(name, pair.key) for name in found}
    if not found or len(found) > 20 or not set(keys.values()) <= values.keys():
        return pair
    done[pair.key] = pair  # an option that names itself stays as it is
    for key in keys.values():
        if key not in done:
            done[key] = resolved(values[key], values, done)
    if any(done[key].value is UNEVALUATED for key in keys.values()):
        return pair
    whole = INTERPOLATION.fullmatch(pair.text)
    text = INTERPOLATION.sub(lambda match: done[keys[match[1]]].text, pair.text)[:10_000]
    value = done[keys[whole[1]]].value if whole else UNEVALUATED if "${" in text or "{{" in text else value_of(text)
    done[pair.key] = replace(pair, value=value, text=text)
    return done[pair.key]


def absolute(name: str, key: str) -> str:
    """``.b`` seen from a.x is a.b, and ``..b`` is b."""
    dots = len(name) - len(name.lstrip("."))
    above = key.split(".")[:-dots] if dots else []
    return ".".join([*above, name[dots:]])
