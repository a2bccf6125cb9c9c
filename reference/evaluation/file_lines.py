"""The lines of a JSONL file that may be anything: compressed, in another encoding, damaged. Each is given back, or noted.

Nothing here knows what the objects mean; ``completion_files`` does.
"""

import codecs
import gzip
import io
import itertools
import json
import os
import re
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from tqdm import tqdm

from reference.evaluation.printable import file_name, printable
from reference.objectives.shapes import InputError

BLANK = "\ufeff \t\r\n"
BROKEN = (EOFError, zlib.error, gzip.BadGzipFile)  # what gzip raises for a file that was cut or damaged
LONGEST_LINE = 64 * 2**20  # bytes: 256 samples of 60,000 tokens fit
LARGEST_ARRAY = 2**29  # bytes of a file that is one JSON array: such a file is not streamed
ONE_VALUE = re.compile(r"\[|\{[ \t]*\r?\n")  # begins a file that is one array, or one object over many lines
OTHER_FORMATS = {b"PAR1": "Parquet", b"PK\3\4": "a zip archive", b"\x28\xb5\x2f\xfd": "compressed by zstd", b"BZh": "compressed by bzip2",
                 b"\xfd7zXZ\0": "compressed by xz"}  # fmt: skip
FIRST_FEW = 5  # line numbers that are remembered of each kind of trouble

# Kinds of trouble, as they are printed before a count.
EMPTY = "empty lines"
NOT_JSON = "lines that are not JSON"
NO_OBJECT = "lines of JSON that are no object"
TOO_LONG = "lines longer than 64 MiB, left out"
NOT_UTF8 = "lines that are not UTF-8, read with \N{REPLACEMENT CHARACTER} for each bad byte"
DAMAGED = "compressed data that end too early or are damaged; what stands behind is lost"


@dataclass
class Trouble:
    """What was wrong with lines of a file, by kind: how many there were, and the numbers of the first few."""

    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, list[int]] = field(default_factory=dict)
    no_json: str = ""  # how the first line that is not JSON begins

    def note(self, kind: str, line: int) -> None:
        self.counts[kind] += 1
        lines = self.first.setdefault(kind, [])
        if len(lines) < FIRST_FEW:
            lines.append(line)


def read_objects(path: str, trouble: Trouble, *, progress: bool = True) -> Iterator[tuple[int, dict[str, Any]]]:
    """The JSON objects of a file with their line numbers, counted from 1; what is no object goes into ``trouble``.

    ``path``: a file, compressed by gzip or not, or ``-`` for the standard input. A file that is one JSON array gives its
    entries, and one object that takes many lines is given whole. Every number comes as the text that stands in the file, so that 72.50 stays 72.50; NaN comes as None.
    """
    with opened(path) as (stream, position, size), tqdm(
        total=size, desc="read" if path == "-" else f"read {printable(os.path.basename(path), 40)}", unit="B", unit_scale=True, leave=False, disable=not progress
    ) as bar:  # fmt: skip
        try:
            head = stream.peek(64)[:64]  # type: ignore[attr-defined]  # BufferedReader and GzipFile both have it
        except BROKEN:
            return trouble.note(DAMAGED, 1)
        refuse_other_formats(head, path)
        encoding = encoding_of(head)
        read = array_entries if ONE_VALUE.match(head.decode(encoding, "ignore").lstrip(BLANK)) else line_values
        for number, value in read(stream, encoding, trouble):
            bar.update(position() - bar.n)
            if isinstance(value, dict):
                yield number, value
            elif value is not None:
                trouble.note(NO_OBJECT, number)


@contextmanager
def opened(path: str) -> Iterator[tuple[BinaryIO, Callable[[], int], int | None]]:
    """The bytes of a file, decompressed if they are gzip's; how far it has been read, and its size where it has one."""
    if path == "-":
        raw: Any = sys.stdin.buffer
        yield unzipped(raw), lambda: 0, None
        return
    if os.path.isdir(path):
        raise InputError(f"{path} is a folder: name a file in it")
    with open(path, "rb") as raw:
        position = raw.tell if raw.seekable() else lambda: 0  # a pipe has no place and no size
        yield unzipped(raw), position, os.path.getsize(path) or None


def unzipped(raw: Any) -> Any:
    return gzip.GzipFile(fileobj=raw) if raw.peek(2)[:2] == b"\x1f\x8b" else raw


def refuse_other_formats(head: bytes, path: str) -> None:
    """Say what a file of another format is, and how it becomes lines."""
    for start, words in OTHER_FORMATS.items():
        if head.startswith(start):
            raise InputError(
                f"{file_name(path)} is {words}: unpack it, or write its rows as JSONL (inspect-ai: inspect log dump; "
                "Parquet: to_json(orient='records', lines=True) of pandas)"
            )


def encoding_of(head: bytes) -> str:
    """utf-8, unless the first bytes say otherwise: a byte order mark, or a zero byte beside the first bracket."""
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if head.startswith((b"{\0", b"[\0")):
        return "utf-16-le"
    return "utf-16-be" if head.startswith((b"\0{", b"\0[")) else "utf-8"


def line_values(stream: BinaryIO, encoding: str, trouble: Trouble) -> Iterator[tuple[int, Any]]:
    """What each line holds."""
    for number, text in text_lines(stream, encoding, trouble):
        yield number, parsed(text, number, trouble)


def text_lines(stream: BinaryIO, encoding: str, trouble: Trouble) -> Iterator[tuple[int, str]]:
    """Each line as text. A line of UTF-8 is decoded on its own, so that one bad byte spoils one line."""
    source: Any = stream
    if encoding != "utf-8":
        source = io.TextIOWrapper(stream, encoding=encoding, errors="replace", newline="\n")
    for number, line in numbered(source, trouble):
        if isinstance(line, str):
            yield number, line
            continue
        try:
            yield number, line.decode()
        except UnicodeDecodeError:
            trouble.note(NOT_UTF8, number)
            yield number, line.decode(errors="replace")


def numbered(source: Any, trouble: Trouble) -> Iterator[tuple[int, Any]]:
    """Lines of a bounded length; one that is longer is read past in pieces, and never held whole."""
    for number in itertools.count(1):
        try:
            line = source.readline(LONGEST_LINE)
            too_long = len(line) == LONGEST_LINE
            piece = line
            while len(piece) == LONGEST_LINE and piece[-1:] not in ("\n", b"\n"):
                piece = source.readline(LONGEST_LINE)
        except BROKEN:
            return trouble.note(DAMAGED, number)
        if not line:
            return
        if too_long:
            trouble.note(TOO_LONG, number)
        else:
            yield number, line


DECODER = json.JSONDecoder(strict=False, parse_int=str, parse_float=str, parse_constant=lambda name: None)


def parsed(text: str, number: int, trouble: Trouble) -> Any:
    """What a line holds; None, and a note, where that is nothing. Nesting too deep for Python is no JSON either."""
    text = text.strip(BLANK)
    if not text:
        trouble.note(EMPTY, number)
        return None
    try:
        value = DECODER.decode(text)
    except (ValueError, RecursionError):
        trouble.note(NOT_JSON, number)
        trouble.no_json = trouble.no_json or text[:80]
        return None
    if value is None:
        trouble.note(NO_OBJECT, number)
    return value


def array_entries(stream: BinaryIO, encoding: str, trouble: Trouble) -> Iterator[tuple[int, Any]]:
    """The entries of a file that is one array, numbered from 1, or its one object. If it is neither: one line after another."""
    data = bytearray()
    try:
        while piece := stream.read(2**20):
            data += piece
            if len(data) > LARGEST_ARRAY:
                raise InputError("the file is one JSON value of more than 512 MiB: write one object per line instead")
    except BROKEN:
        trouble.note(DAMAGED, data.count(b"\n") + 1)
    text = data.decode(encoding, errors="replace").strip(BLANK)
    try:
        value = DECODER.decode(text)
    except (ValueError, RecursionError):
        for number, line in enumerate(text.split("\n"), start=1):
            yield number, parsed(line, number, trouble)
    else:
        yield from enumerate(value if isinstance(value, list) else [value], start=1)
