"""A shell script to the commands that it would run, with the variables that it sets itself; nothing is executed."""

import re
from dataclasses import dataclass, field, replace

from reference.configs.shell_conditions import Block, take_branch, verdict_of_case, verdict_of_test, verdict_of_tests
from reference.configs.shell_variables import OR, Shell, Text, added, expanded, joined
from reference.configs.shell_words import TEXT, Piece, Source, Token, tokens_of

ASSIGNS = re.compile(r"([A-Za-z_]\w*)(\+?)=")
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
        script.blocks[-1].tests.append((before, verdict_of_test(words)))
    elif not script.skipped:
        obey(script, plain, [token for token in statement if "document" in token.kind], depth=depth)


def obey(script: Script, plain: list[Token], documents: list[Token], *, depth: int) -> None:
    """Take in what a statement sets, and keep the command that it is."""
    names = [raw(token) for token in plain]
    if names[0] == "read" and documents:
        return read_document(script, names, documents[0])
    script.shell.notes += [f"line {each.line}: the text of a here-document was not read" for each in documents]
    if names[0] in DECLARES:
        plain = [token for token in plain[1:] if not raw(token).startswith("-")]
        plain = [token for token in plain if token.kind == "array" or ASSIGNS.match(raw(token))]
    if all(token.kind == "array" or ASSIGNS.match(raw(token)) for token in plain):
        for token in plain:
            assign(script, token)
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


def raw(token: Token) -> str:
    """A word as it stands, up to its first variable; an array has none."""
    text = ""
    for piece in token.pieces:
        if piece.kind != TEXT:
            break
        text += piece.text
    return text


def read_document(script: Script, names: list[str], document: Token) -> None:
    """``read -r -d '' NAME <<EOF``: the body becomes the value of NAME, on one line where a backslash ends a line."""
    body = Token("word", document.line, pieces=[Piece(TEXT, document.text, quoted=True)])
    if document.kind == "document":
        source = Source(document.text.replace('"', '\\"') + '"', document.line)
        from_quotes = tokens_of(Source('"' + source.text, document.line))[0]
        body = from_quotes[0] if from_quotes else body
    script.shell.scalars[names[-1]] = joined(body, script.shell)


def assign(script: Script, token: Token) -> None:
    """``NAME=value``, ``NAME+=value`` and arrays, which inside of a condition count as if it held."""
    shell = script.shell
    if token.kind == "array":
        return assign_array(script, token)
    match = ASSIGNS.match(raw(token))
    assert match is not None
    value, name = joined(after(token, match.end()), shell), match[1]
    old = shell.scalars.get(name)
    if match[2] and old is not None:
        value = added(old, value)
    if script.conditional and old is not None:
        value = one_of(old, value)
    shell.scalars[name] = value


def one_of(old: Text, new: Text) -> Text:
    """A variable that gets its second value where it may: a longer list of options, or one of two values."""
    if new.text == old.text:
        return new
    if not old.text or new.text.startswith(old.text + " "):
        return replace(new, conditional=True)
    return replace(new, text=f"{old.text}{OR}{new.text}", known=False)


def assign_array(script: Script, token: Token) -> None:
    shell, name = script.shell, token.text.rstrip("+")
    words = [word for each in token.words if each.kind == "word" for word in expanded(each, shell)]
    old = shell.arrays.get(name, [])
    if script.conditional:
        words = [replace(word, conditional=True) for word in words]
    shell.arrays[name] = [*old, *words] if token.text.endswith("+") or script.conditional else words


def after(token: Token, length: int) -> Token:
    """The word without its first characters."""
    pieces = []
    for piece in token.pieces:
        cut = min(length, len(piece.text)) if piece.kind == TEXT else 0
        pieces.append(replace(piece, text=piece.text[cut:]))
        length -= cut
    return replace(token, pieces=pieces)


def run(script: Script, plain: list[Token], *, depth: int) -> None:
    """Put in the variables, and read a script that is given in a string: ``eval``, ``bash -c``."""
    first = next(place for place, token in enumerate(plain) if not (token.kind == "array" or ASSIGNS.match(raw(token))))
    words = [word for token in plain[first:] for word in expanded(token, script.shell)]
    for place, word in enumerate(words):
        is_shell = SHELLS.fullmatch(word.text) and re.fullmatch(
            r"-\w*c", words[place + 1].text if len(words) > place + 1 else ""
        )
        if (is_shell or (word.text == "eval" and place == 0)) and depth < DEEPEST:
            inside = words[place + 2 : place + 3] if is_shell else words[1:]
            return read_into(script, Source(" ".join(each.text for each in inside), word.line), depth=depth + 1)
    script.commands.append(Command(words, plain[first].line, script.conditional))
