"""A shell script cut into words and operators, as bash cuts it; nothing is run, and nothing is put in yet."""

import re
from dataclasses import dataclass, field

from reference.configs.shell_source import Source, Unfinished, closing, end_of_line, find

ENDS_WORD = " \t\r\n;&|()<>"
OPERATORS = (
    "&&",
    "||",
    ";;",
    "<<-",
    "<<<",
    "<<",
    ">>",
    ">&",
    "<&",
    "&>>",
    "&>",
    ">|",
    ";",
    "&",
    "|",
    "(",
    ")",
    "<",
    ">",
    "\n",
)
BY_LENGTH = sorted(OPERATORS, key=len, reverse=True)
NAME = re.compile(r"[A-Za-z_]\w*|[0-9@*#?$!-]")
ARRAY = re.compile(r"([A-Za-z_]\w*)(\+?)=\(")
TEXT, VARIABLE, CODE = "text", "variable", "code"


@dataclass(frozen=True)
class Piece:
    """A part of a word: text, the inside of ``${...}``, or code that is left as it stands."""

    kind: str
    text: str
    quoted: bool = False


@dataclass
class Token:
    """A word, an operator, an array (``name=( words )``) or the body of a here-document."""

    kind: str
    line: int
    text: str = ""  # the operator, the name of the array, or the body
    pieces: list[Piece] = field(default_factory=list)
    words: list["Token"] = field(default_factory=list)


def tokens_of(source: Source) -> tuple[list[Token], int | None]:
    """The tokens of a text, and the line of a quote or bracket that does not end: what follows it is not read."""
    tokens: list[Token] = []
    try:
        scan(source, 0, tokens)
    except Unfinished as trouble:
        return tokens, trouble.line
    return tokens, None


def scan(source: Source, place: int, tokens: list[Token], *, until: str = "") -> int:
    """Append the tokens from ``place`` on; stops behind ``until``. Gives back where it stopped."""
    text, here_documents, started = source.text, [], source.line(place)
    while place < len(text):
        sign = text[place]
        if sign in " \t\r":
            place += 1
        elif text.startswith("\\\n", place) or text.startswith("\\\r\n", place):
            place = text.index("\n", place) + 1
        elif sign == "#":
            place = end_of_line(text, place)
        elif until and sign == until:
            return place + 1
        elif array := ARRAY.match(text, place):
            token = Token("array", source.line(place), array[1] + array[2])
            place = scan(source, array.end(), token.words, until=")")
            tokens.append(token)
        elif text.startswith(("<(", ">("), place):
            place = closing(source, place + 1)
        elif text.startswith("((", place) and not until:
            place = closing(source, place)
        elif operator := next((each for each in BY_LENGTH if text.startswith(each, place)), ""):
            tokens.append(Token("operator", source.line(place), operator))
            place += len(operator)
            if operator in ("<<", "<<-"):
                here_documents.append(tokens[-1])
            if operator == "\n" and here_documents:
                place = bodies(source, place, tokens, here_documents)
                here_documents = []
        else:
            token = Token("word", source.line(place))
            tokens.append(token)
            try:
                place = read_pieces(source, place, token.pieces)
            except Unfinished:  # a value that is not known is more than none, with which a flag would be true
                token.pieces = [Piece(CODE, text[place : end_of_line(text, place)])]
                raise
    if until:
        raise Unfinished(started)
    return place


def bodies(source: Source, place: int, tokens: list[Token], begun: list[Token]) -> int:
    """Take the lines of here-documents out of the text; each body becomes a token at the place of its ``<<``."""
    for operator in begun:
        at = next(index for index, token in enumerate(tokens) if token is operator)
        label = "".join(piece.text for piece in tokens[at + 1].pieces) if len(tokens) > at + 1 else ""
        literal = any(piece.quoted for piece in tokens[at + 1].pieces) if len(tokens) > at + 1 else True
        end = re.compile(rf"^\t*{re.escape(label)}[ \t\r]*$", re.MULTILINE).search(source.text, place)
        if end is None:
            raise Unfinished(operator.line)
        kind = "quoted document" if literal else "document"
        operator.kind, operator.text, operator.line = kind, source.text[place : end.start()], source.line(place)
        place = min(end.end() + 1, len(source.text))
    return place


def read_pieces(source: Source, place: int, pieces: list[Piece], *, stops: str = ENDS_WORD) -> int:
    """Append the pieces of one word; gives back the place behind it."""
    text = source.text
    while place < len(text) and text[place] not in stops:
        sign = text[place]
        if text.startswith("\\\n", place) or text.startswith("\\\r\n", place):
            place = text.index("\n", place) + 1
        elif sign == "\\":
            pieces.append(Piece(TEXT, text[place + 1 : place + 2], quoted=True))
            place += 2
        elif sign == "'" or text.startswith("$'", place):
            start = text.index("'", place) + 1
            place = find(source, "'", start)
            pieces.append(Piece(TEXT, text[start:place], quoted=True))
            place += 1
        elif sign == '"':
            place = double_quoted(source, place + 1, pieces)
        elif sign in "$`":
            place = dollar(source, place, pieces, quoted=False)
        else:
            start = place
            while place < len(text) and text[place] not in stops and text[place] not in "\\'\"$`":
                place += 1
            pieces.append(Piece(TEXT, text[start:place]))
    return place


def double_quoted(source: Source, place: int, pieces: list[Piece]) -> int:
    text, start = source.text, place
    pieces.append(Piece(TEXT, "", quoted=True))  # "" is a word too
    while place < len(text):
        sign = text[place]
        if sign == '"':
            return place + 1
        if sign == "\\":
            after = text[place + 1 : place + 2]
            if after != "\n":
                pieces.append(Piece(TEXT, after if after in '"\\$`' else sign + after, quoted=True))
            place += 2
        elif sign in "$`":
            place = dollar(source, place, pieces, quoted=True)
        else:
            begin = place
            while place < len(text) and text[place] not in '"\\$`':
                place += 1
            pieces.append(Piece(TEXT, text[begin:place], quoted=True))
    raise Unfinished(source.line(start))


def dollar(source: Source, place: int, pieces: list[Piece], *, quoted: bool) -> int:
    """``$name``, ``${...}``, ``$(...)``, ``$((...))`` or backquotes."""
    text = source.text
    if text[place] == "`":
        end = find(source, "`", place + 1) + 1
        pieces.append(Piece(CODE, text[place:end], quoted))
        return end
    if text.startswith("$(", place):
        end = closing(source, place + 1)
        pieces.append(Piece(CODE, text[place:end], quoted))
        return end
    if text.startswith("${", place):
        end = closing(source, place + 1)
        pieces.append(Piece(VARIABLE, text[place + 2 : end - 1], quoted))
        return end
    name = NAME.match(text, place + 1)
    pieces.append(Piece(VARIABLE, name[0], quoted) if name else Piece(TEXT, "$", quoted))
    return name.end() if name else place + 1
