"""Assignments of a shell script: variables, arrays, and ``read`` with a here-document."""

import re
from dataclasses import replace

from reference.configs.shell_source import Source
from reference.configs.shell_variables import OR, Shell, Text, added, expanded, joined
from reference.configs.shell_words import TEXT, Piece, Token, tokens_of

ASSIGNS = re.compile(r"([A-Za-z_]\w*)(\+?)=")
MOST_WORDS = 20_000  # of an array that doubles itself line by line


def raw(token: Token) -> str:
    """A word as it stands, up to its first variable; an array has none."""
    text = ""
    for piece in token.pieces:
        if piece.kind != TEXT:
            break
        text += piece.text
    return text


def read_document(shell: Shell, names: list[str], document: Token) -> None:
    """``read -r -d '' NAME <<EOF``: the body becomes the value of NAME, on one line where a backslash ends a line."""
    body = Token("word", document.line, pieces=[Piece(TEXT, document.text, quoted=True)])
    if document.kind == "document":
        source = Source(document.text.replace('"', '\\"') + '"', document.line)
        from_quotes = tokens_of(Source('"' + source.text, document.line))[0]
        body = from_quotes[0] if from_quotes else body
    shell.scalars[names[-1]] = joined(body, shell)


def assign(shell: Shell, token: Token, *, conditional: bool) -> None:
    """``NAME=value``, ``NAME+=value`` and arrays; under a condition that nobody knows they count as if it held."""
    if token.kind == "array":
        return assign_array(shell, token, conditional=conditional)
    name, value = assigned(token, shell)
    old = shell.scalars.get(name.rstrip("+"))
    if name.endswith("+") and old is not None:
        value = added(old, value)
    if conditional and old is not None:
        value = one_of(old, value)
    shell.scalars[name.rstrip("+")] = value


def assigned(token: Token, shell: Shell) -> tuple[str, Text]:
    """The name of ``NAME=value`` or ``NAME+=value``, with its + if there is one, and the value."""
    match = ASSIGNS.match(raw(token))
    assert match is not None
    return match[1] + match[2], joined(after(token, match.end()), shell)


def one_of(old: Text, new: Text) -> Text:
    """A variable that gets its second value where it may: a longer list of options, or one of two values."""
    if new.text == old.text:
        return new
    if not old.text or new.text.startswith(old.text + " "):
        return replace(new, conditional=True)
    return replace(new, text=f"{old.text}{OR}{new.text}", known=False)


def assign_array(shell: Shell, token: Token, *, conditional: bool) -> None:
    name = token.text.rstrip("+")
    words = [word for each in token.words if each.kind == "word" for word in expanded(each, shell)]
    old = shell.arrays.get(name, [])
    if conditional:
        words = [replace(word, conditional=True) for word in words]
    words = [*old, *words] if token.text.endswith("+") or conditional else words
    shell.arrays[name] = words[:MOST_WORDS]


def after(token: Token, length: int) -> Token:
    """The word without its first characters."""
    pieces = []
    for piece in token.pieces:
        cut = min(length, len(piece.text)) if piece.kind == TEXT else 0
        pieces.append(replace(piece, text=piece.text[cut:]))
        length -= cut
    return replace(token, pieces=pieces)
