"""Which branches of ``if`` and ``case`` a shell script takes, as far as its own variables say."""

from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from reference.configs.shell_variables import Text
from reference.configs.values import number

COMPARES = {
    "-eq": lambda a, b: a == b,
    "-ne": lambda a, b: a != b,
    "-gt": lambda a, b: a > b,
    "-ge": lambda a, b: a >= b,
    "-lt": lambda a, b: a < b,
    "-le": lambda a, b: a <= b,
}


@dataclass
class Block:
    """An ``if``, ``case`` or loop that is open. ``holds``: whether its present branch is taken; None: nobody knows."""

    kind: str
    holds: bool | None = None
    taken: bool | None = False  # whether an earlier branch was
    in_head: bool = False  # between if and then, or before the bracket of a pattern
    tests: list[tuple[str, bool | None]] = field(default_factory=list)  # each with the operator before it
    subject: Text | None = None
    patterns: list[Text] = field(default_factory=list)


def take_branch(block: Block, verdict: bool | None) -> None:
    """Enter the next branch, which holds if its own test does and no earlier branch was taken."""
    if block.taken:
        verdict = False
    elif block.taken is None and verdict:
        verdict = None
    block.holds, block.in_head = verdict, False
    if verdict is not False:
        block.taken = verdict


def verdict_of_tests(tests: list[tuple[str, bool | None]]) -> bool | None:
    """``[ a ] && [ b ]`` from the left; brackets around tests were given as unknown tests."""
    verdict: bool | None = None
    for place, (operator, test) in enumerate(tests):
        if place and operator == "&&":
            verdict = False if verdict is False or test is False else None if None in (verdict, test) else True
        elif place and operator == "||":
            verdict = True if verdict or test else None if None in (verdict, test) else False
        else:
            verdict = test
    return verdict


def verdict_of_test(words: list[Text]) -> bool | None:
    """``[ a = b ]``, ``[[ -n a ]]``, ``[ 1 -gt 0 ]``, ``true`` and their opposites; None for any other command."""
    texts = [word.text for word in words]
    if not words or not all(word.known for word in words):
        return None
    if len(words) == 1:
        return {"true": True, ":": True, "false": False}.get(texts[0])
    if texts[0] == "!":
        opposite = verdict_of_test(words[1:])
        return None if opposite is None else not opposite
    if (texts[0], texts[-1]) not in (("[", "]"), ("[[", "]]")):
        return None
    return compared(texts[1:-1])


def compared(texts: list[str]) -> bool | None:
    match texts:
        case ["!", *rest]:
            opposite = compared(rest)
            return None if opposite is None else not opposite
        case ["-z", text]:
            return text == ""
        case ["-n", text] | [text]:
            return text != ""
        case [left, "=" | "==", right]:
            return fnmatchcase(left, right)
        case [left, "!=", right]:
            return not fnmatchcase(left, right)
        case [left, operator, right] if operator in COMPARES:
            numbers = number(left), number(right)
            return None if None in numbers else COMPARES[operator](*numbers)
    return None


def verdict_of_case(block: Block) -> bool | None:
    """Whether the subject of a ``case`` is one of the patterns."""
    if block.subject is None or not block.subject.known or not all(pattern.known for pattern in block.patterns):
        return True if any(pattern.text == "*" for pattern in block.patterns) else None
    return any(fnmatchcase(block.subject.text, pattern.text) for pattern in block.patterns)


def negated(verdict: bool | None) -> bool | None:
    return None if verdict is None else not verdict
