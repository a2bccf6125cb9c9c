"""A shell script to the commands that it would run, with the variables that it sets itself; nothing is executed."""

import re
from dataclasses import dataclass, field

from reference.frameworks.shell_assign import ASSIGNS, assign, assigned, raw, read_document
from reference.frameworks.shell_conditions import (
    Block,
    negated,
    take_branch,
    verdict_of_case,
    verdict_of_test,
    verdict_of_tests,
)
from reference.frameworks.shell_source import Source
from reference.frameworks.shell_variables import Shell, Text, expanded
from reference.frameworks.shell_words import Token, tokens_of

REDIRECTS = ("<", ">", ">>", ">&", "<&", "&>", "&>>", ">|", "<<<", "<<", "<<-")
DECLARES = ("export", "local", "declare", "readonly", "typeset")
LEADS = ("do", "!", "{", "}", "time", "exec", "function")
SAYS = ("echo", "printf", "cat", "log", "print", "info", "exit", "return", "set", "cd", "mkdir")
SHELLS = re.compile(r"(.*/)?(ba|z|da)?sh")
DEEPEST = 4  # scripts inside of strings inside of scripts


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


def read_script(text: str, *, first_line: int = 1) -> Script:
    """All commands of a text, in their order, as if it was started without arguments. A loop is read once."""
    script = Script()
    read_into(script, Source(text, first_line), depth=0)
    return script


def read_into(script: Script, source: Source, *, depth: int) -> None:
    tokens, unfinished = tokens_of(source)
    statement: list[Token] = []
    before = "\n"
    for token in [*tokens, Token("operator", source.line(len(source.text)), "\n")]:
        if token.kind != "operator" or token.text in REDIRECTS:
            statement.append(token)
            continue
        in_pattern = bool(script.blocks) and script.blocks[-1].kind == "case" and script.blocks[-1].in_head
        if in_pattern and [raw(each) for each in statement] != ["esac"]:
            read_pattern(script, statement, token.text)
        elif statement and token.text != "(":
            read_statement(script, statement, before, depth=depth)
        before, statement = token.text, []
        if token.text == ";;" and script.blocks:
            script.blocks[-1].in_head, script.blocks[-1].patterns = True, []
    if unfinished is not None:
        script.shell.notes.append(
            f"line {unfinished}: a quote, bracket or here-document begins there and does not end, "
            "so what follows was not read"
        )


def read_pattern(script: Script, statement: list[Token], operator: str) -> None:
    """Part of the ``a | b)`` of a ``case``; the bracket enters its branch."""
    block = script.blocks[-1]
    block.patterns += [word for token in statement if token.kind == "word" for word in expanded(token, script.shell)]
    if operator == ")":
        take_branch(block, verdict_of_case(block))


def read_statement(script: Script, statement: list[Token], before: str, *, depth: int) -> None:
    """One command, or some assignments, or the head of a block."""
    statement = without_keywords(script, statement)
    plain = without_redirects(statement)
    if not plain:
        return
    if script.blocks and script.blocks[-1].in_head:
        words = [word for token in plain for word in expanded(token, script.shell)]
        script.shell.decided.update(*(word.outside for word in words))
        script.blocks[-1].tests.append((before, verdict_of_test(words)))
        return
    documents = [token for token in statement if "document" in token.kind]
    words = [word for token in plain if token.kind == "word" for word in expanded(token, script.shell)]
    is_test = bool(words) and words[0].text in ("[", "[[", "test", "true", "false", "command", "grep")
    test = verdict_of_test(words) if is_test else True
    script.shell.decided.update(*(word.outside for word in words if is_test))
    holds = script.last_test if before == "&&" else negated(script.last_test) if before == "||" else True
    script.last_test = test if holds or not is_test else holds
    script.blocks.append(Block("&&", holds=holds))
    if not script.skipped:
        obey(script, plain, documents, depth=depth)
    script.blocks.pop()


def obey(script: Script, plain: list[Token], documents: list[Token], *, depth: int) -> None:
    """Take in what a statement sets, and keep the command that it is."""
    names = [raw(token) for token in plain]
    if names[0] == "read" and documents:
        return read_document(script.shell, names, documents[0])
    script.shell.notes += [f"line {each.line}: the text of a here-document was not read" for each in documents]
    if names[0] in DECLARES:
        plain = [token for token in plain[1:] if not raw(token).startswith("-")]
        plain = [token for token in plain if token.kind == "array" or ASSIGNS.match(raw(token))]
    if all(token.kind == "array" or ASSIGNS.match(raw(token)) for token in plain):
        for token in plain:
            assign(script.shell, token, conditional=script.conditional)
    elif names[0] in ("source", "."):
        words = " ".join(word.text for token in plain for word in expanded(token, script.shell))
        script.shell.notes.append(f"line {plain[0].line}: `{words}` takes in another file, which was not read")
    elif names[0] not in SAYS:
        run(script, plain, depth=depth)


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


def without_redirects(statement: list[Token]) -> list[Token]:
    """Words and arrays only: ``2> file`` and ``<< EOF`` go, with the word behind them."""
    kept: list[Token] = []
    skip = False
    for token in statement:
        if token.kind in ("word", "array") and not skip:
            kept.append(token)
        elif token.kind not in ("word", "array"):
            if token.kind == "operator" and kept and raw(kept[-1]).isdigit():
                kept.pop()  # the 2 of 2>&1; a number before a blank and > is lost too, and no config has one
            skip = True
            continue
        skip = False
    return kept


def run(script: Script, plain: list[Token], *, depth: int) -> None:
    """Put in the variables, and read a script that is given in a string: ``eval``, ``bash -c``."""
    first = next(place for place, token in enumerate(plain) if not (token.kind == "array" or ASSIGNS.match(raw(token))))
    script.shell.handed += [assigned(token, script.shell)[1] for token in plain[:first] if token.kind == "word"]
    words = [word for token in plain[first:] for word in expanded(token, script.shell)]
    for place, word in enumerate(words):
        is_shell = SHELLS.fullmatch(word.text) and re.fullmatch(
            r"-\w*c", words[place + 1].text if len(words) > place + 1 else ""
        )
        if (is_shell or (word.text == "eval" and place == 0)) and depth < DEEPEST:
            inside = words[place + 2 : place + 3] if is_shell else words[1:]
            return read_into(script, Source(" ".join(each.text for each in inside), word.line), depth=depth + 1)
    script.commands.append(Command(words, plain[first].line, script.conditional))
