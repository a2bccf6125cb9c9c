"""Variables of a shell script, as far as the script itself sets them to plain text, and words with them put in."""

import re
from dataclasses import dataclass, field, replace

from reference.configs.shell_source import Source, Unfinished, closing
from reference.configs.shell_words import TEXT, VARIABLE, Piece, Token, read_pieces

OR = "\0or\0"  # no file with a zero byte gets here
WHOLE_ARRAY = re.compile(r'(\w+)\[[@*]\](:?[-+]("?\$\{\1\[[@*]\]\}"?)?)?')
WITH_DEFAULT = re.compile(r"(\w+)(:?)([-=+])(.*)", re.DOTALL)
PLAIN = re.compile(r"(\w+)(:?\?.*)?", re.DOTALL)
UNKNOWN = re.compile(rf"[$`{OR[0]}]")
LONGEST = 2**17  # characters of one word: a value that doubles itself line by line grows past any memory


@dataclass(frozen=True)
class Text:
    """A word after its variables were put in; not ``known`` if a command, code or an unset variable is left in it.

    ``conditional``: it is there only if a condition of the script holds. ``OR`` stands between two possible texts.
    """

    text: str
    known: bool
    line: int
    conditional: bool = False
    outside: frozenset[str] = frozenset()  # variables in it that can be set outside, read with the script's own default


@dataclass
class Shell:
    """What the lines read so far have set and said."""

    scalars: dict[str, Text] = field(default_factory=dict)
    arrays: dict[str, list[Text]] = field(default_factory=dict)
    loops: dict[str, str] = field(default_factory=dict)  # a variable that takes several values, and what to say of it
    notes: list[str] = field(default_factory=list)
    decided: set[str] = field(default_factory=set)  # variables that can be set outside and decide a condition
    handed: list[Text] = field(default_factory=list)  # values in front of a command, as in COMMAND="..." sbatch file


def expanded(token: Token, shell: Shell) -> list[Text]:
    """The words that one word becomes: none for an empty array, several for an array or an unquoted text with spaces."""
    words: list[Text] = []
    begun = False  # whether the last of the words may still grow
    for piece in token.pieces:
        parts = [Text(piece.text, piece.kind == TEXT, token.line)]
        if piece.kind == VARIABLE:
            parts = values(piece, shell, token.line)
            if not piece.quoted:
                parts = [word for part in parts for word in split(part)]
        if not parts:
            continue
        if begun and words:
            last = words.pop()
            parts = [added(last, parts[0]), *parts[1:]]
        words += parts
        begun = True
    nothing = len(words) == 1 and not words[0].text and any(piece.kind == VARIABLE for piece in token.pieces)
    return [] if nothing and any(piece.text[:1] == "@" or "[@]" in piece.text for piece in token.pieces) else words


def added(first: Text, second: Text) -> Text:
    text = first.text + second.text
    known = first.known and second.known and len(text) <= LONGEST
    line = first.line if first.text else second.line
    outside = first.outside | second.outside
    return Text(text[:LONGEST], known, line, first.conditional or second.conditional, outside)


def split(text: Text) -> list[Text]:
    """The words of a text. Spaces inside of a command that is left in it are no ends of words."""
    if text.known:
        return [replace(text, text=part) for part in text.text.split()]
    words, place, start, source = [], 0, 0, Source(text.text + " ", text.line)
    while place < len(source.text):
        if source.text.startswith(("$(", "${"), place):
            place = end_of_code(source, place)
        elif source.text[place].isspace():
            words += [source.text[start:place]] if place > start else []
            start = place + 1
        place += 1
    return [replace(text, text=word, known=not UNKNOWN.search(word)) for word in words]


def end_of_code(source: Source, place: int) -> int:
    try:
        return closing(source, place + 1) - 1
    except Unfinished:
        return place


def joined(token: Token, shell: Shell) -> Text:
    """The one text that a word becomes in an assignment, where nothing is split."""
    quoted = [replace(piece, quoted=True) for piece in token.pieces]
    words = expanded(Token("word", token.line, pieces=quoted), shell)
    whole = Text("", True, token.line)
    for place, word in enumerate(words):
        whole = added(whole, replace(word, text=" " + word.text) if place else word)
    return whole


def values(piece: Piece, shell: Shell, line: int) -> list[Text]:
    """What ``${...}`` stands for."""
    inside = piece.text
    if inside in ("@", "*"):
        return []  # nothing is given to a script that is only read
    if inside == "#":
        return [Text("0", True, line)]
    if array := WHOLE_ARRAY.fullmatch(inside):
        name = array[1]
        return shell.arrays.get(name, [shell.scalars[name]] if name in shell.scalars else [])
    if default := WITH_DEFAULT.fullmatch(inside):
        return with_default(default, shell, line, quoted=piece.quoted)
    if (plain := PLAIN.fullmatch(inside)) and (found := lookup(plain[1], shell)):
        return [found]
    return [Text(f"${inside}" if inside.isidentifier() else f"${{{inside}}}", False, line)]


def lookup(name: str, shell: Shell) -> Text | None:
    return shell.scalars.get(name) or next(iter(shell.arrays.get(name, [])), None)


def with_default(found: re.Match[str], shell: Shell, line: int, *, quoted: bool) -> list[Text]:
    """``${X:-text}``, ``${X:=text}`` and ``${X:+text}``; what nothing in the file sets counts as unset."""
    name, colon, sign, text = found.groups()
    value = lookup(name, shell)
    is_set = value is not None and (bool(value.text) or not colon)
    if value is not None and sign != "+" and is_set:
        return [value]
    if sign == "+" and not is_set:
        return []
    default = inner(text.replace("'", "\\'") if quoted else text, shell, line)  # inside of "..." a ' is itself
    if value is None:
        default = replace(default, outside=default.outside | {name})
    if sign == "=":
        shell.scalars[name] = default
    return [default]


def inner(text: str, shell: Shell, line: int) -> Text:
    pieces: list[Piece] = []
    read_pieces(Source(text, line), 0, pieces, stops="")
    return joined(Token("word", line, pieces=pieces), shell)
