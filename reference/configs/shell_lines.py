"""A shell script to the commands that it would run, with the variables that it sets itself; nothing is executed."""

import re

from reference.configs.shell_assign import ASSIGNS, assign, assigned, raw, read_document
from reference.configs.shell_blocks import Command, Script, read_pattern, without_keywords
from reference.configs.shell_conditions import Block, negated, verdict_of_test
from reference.configs.shell_source import Source
from reference.configs.shell_variables import expanded
from reference.configs.shell_words import Token, tokens_of

REDIRECTS = ("<", ">", ">>", ">&", "<&", "&>", "&>>", ">|", "<<<", "<<", "<<-")
DECLARES = ("export", "local", "declare", "readonly", "typeset")
SAYS = ("echo", "printf", "cat", "log", "print", "info", "exit", "return", "set", "cd", "mkdir")
SHELLS = re.compile(r"(.*/)?(ba|z|da)?sh")
DEEPEST = 4  # scripts inside of strings inside of scripts


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
