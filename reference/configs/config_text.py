"""The text of a file that may be anything, and the cells of a notebook."""

import json
import os
from pathlib import Path

from reference.objectives.shapes import InputError

LARGEST = 4 * 2**20  # bytes


def read_text(path: Path) -> str:
    """The text of a config; an error in one sentence where it cannot be one."""
    if path.is_dir():
        raise InputError(f"{path} is a folder: name a file in it")
    if not path.exists():
        raise InputError(f"there is no file {path}")
    if not path.is_file():
        raise InputError(f"{path} is no plain file: name the config itself")
    if os.path.getsize(path) > LARGEST:
        raise InputError(f"{path} has more than 4 MB, so it is no config: name the file that sets the options")
    data = path.read_bytes()
    if not data.strip():
        raise InputError(f"{path} is empty")
    if b"\0" in data and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(
            f"{path} is binary, so it is no config: name the script or the YAML file that sets the options"
        )
    try:
        text = data.decode("utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")
    except UnicodeDecodeError as trouble:
        line = data.count(b"\n", 0, trouble.start) + 1
        raise InputError(f"{path} is not UTF-8 text: a bad byte is in line {line}; save it as UTF-8") from None
    return text.replace("\r\n", "\n")


def code_of_notebook(text: str, *, where: str) -> tuple[str, str]:
    """The Python of a notebook, and its shell commands: lines that begin with ! and cells of %%bash.

    Both have one line for each line of code, counted over all cells.
    """
    try:
        cells = json.loads(text)["cells"]
        sources = [(cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])) for cell in cells
                   if cell.get("cell_type") == "code"]  # fmt: skip
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InputError(
            f"{where} is not a notebook that can be read: it has no list of cells; save it again"
        ) from None
    python: list[str] = []
    shell: list[str] = []
    for source in sources:
        goes_on = False
        whole = source.lstrip().startswith(("%%bash", "%%sh"))
        for line in source.split("\n"):
            indent, bare = line[: len(line) - len(line.lstrip())], line.lstrip()
            command = whole or goes_on or bare.startswith("!")
            goes_on = command and line.rstrip().endswith("\\")
            is_code = not command and not bare.startswith("%")
            shell.append(bare.lstrip("!") if command and not bare.startswith("%") else "")
            begins = bare.startswith(("!", "%")) and bool(indent)  # in a block of Python, which may have no other line
            python.append(line if is_code else f"{indent}pass" if begins and not whole else "")
    return "\n".join(python), "\n".join(shell)
