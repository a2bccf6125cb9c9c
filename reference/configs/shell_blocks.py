"""The blocks of a shell script: where ``if``, ``case`` and loops begin, turn and end while it is read."""

from dataclasses import dataclass, field

from reference.configs.shell_assign import raw
from reference.configs.shell_conditions import Block, take_branch, verdict_of_case, verdict_of_tests
from reference.configs.shell_variables import Shell, Text, expanded
from reference.configs.shell_words import Token

LEADS = ("do", "!", "{", "}", "time", "exec", "function")


@dataclass(frozen=True)
class Command:
    """A command with its words; ``conditional`` if nobody knows whether it is run."""

    words: list[Text]
    line: int
    conditional: bool


@dataclass
class Script:
    """A script that is being read."""

    shell: Shell = field(default_factory=Shell)
    commands: list[Command] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    last_test: bool | None = True  # what the statement before was as a test; None: nobody knows

    @property
    def skipped(self) -> bool:
        return any(block.holds is False for block in self.blocks)

    @property
    def conditional(self) -> bool:
        return any(block.holds is None for block in self.blocks)


def read_pattern(script: Script, statement: list[Token], operator: str) -> None:
    """Part of the ``a | b)`` of a ``case``; the bracket enters its branch."""
    block = script.blocks[-1]
    block.patterns += [word for token in statement if token.kind == "word" for word in expanded(token, script.shell)]
    if operator == ")":
        take_branch(block, verdict_of_case(block))


def without_keywords(script: Script, statement: list[Token]) -> list[Token]:
    """Take keywords off the front, and open, turn and close the blocks that they belong to."""
    while statement:
        word = raw(statement[0]) if statement[0].kind == "word" else ""
        top = script.blocks[-1] if script.blocks else None
        if word in ("for", "select", "case"):
            open_block(script, word, statement)
            return []
        if word in ("if", "while", "until"):
            script.blocks.append(Block(word, in_head=True))
        elif word in ("then", "do") and top is not None and top.in_head:
            verdict = verdict_of_tests(top.tests)
            take_branch(top, verdict if word == "then" or (verdict is False and top.kind == "while") else None)
        elif word == "elif" and top is not None:
            top.in_head, top.holds, top.tests = True, None, []
        elif word == "else" and top is not None:
            take_branch(top, True)
        elif word in ("fi", "esac", "done"):
            script.blocks[-1:] = []
        elif word == "{" and top is not None and top.in_head:
            top.tests.append(("", None))
        elif word not in LEADS:
            return statement
        statement = statement[1:]
    return statement


def open_block(script: Script, word: str, statement: list[Token]) -> None:
    """``case X in`` waits for its patterns. ``for x in a b``: x is known if it takes one value only."""
    words = [item for token in statement[1:] if token.kind == "word" for item in expanded(token, script.shell)]
    if word == "case":
        script.shell.decided.update(*(item.outside for item in words))
        script.blocks.append(Block(word, in_head=True, subject=words[0] if words else None))
        pattern = [token for token in statement[3:] if token.kind == "word"]  # case X in a) on one line
        script.blocks[-1].patterns = [item for token in pattern for item in expanded(token, script.shell)]
        return
    name, choices = words[0].text if words else "", words[2:]
    script.blocks.append(Block(word, holds=True if len(choices) == 1 else None))
    if len(choices) != 1:
        listed = ", ".join(choice.text for choice in choices[:5])
        script.shell.loops[name] = f"line {statement[0].line}: {name} takes several values in a loop ({listed})"
    one = choices[0] if len(choices) == 1 else Text(f"${name}", False, statement[0].line)
    script.shell.scalars[name] = one
