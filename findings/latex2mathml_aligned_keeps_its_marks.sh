#!/usr/bin/env bash
# latex2mathml: `aligned` is no table, and `\mathrm{Var}` is three letters.
#
# One would guess: \begin{aligned} a &= b \\ c &= d \end{aligned} becomes a table of two rows whose signs stand below each
# other, as align* does, and \mathrm{Var} one word in upright letters.
#
# Seen: align* becomes a table of two rows. aligned becomes one row in which each & is an identifier. It is not escaped, so
# the result is no XML, although convert has raised nothing.
# \mathrm{Var} becomes three identifiers, which a browser sets, and a screen reader says, one by one.
#
# Exits with 1 if this changes. FINDINGS_PYTHON=/path/to/python: an environment that has the package; none is installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}
if [ -z "$python" ]; then
  python3 -m venv "$folder/venv"
  python=$folder/venv/bin/python
  "$python" -m pip install --quiet --disable-pip-version-check --no-compile latex2mathml==3.81.1
fi
cd "$folder"
"$python" - <<'PROGRAM'
import sys
from importlib.metadata import version
from xml.etree import ElementTree

from latex2mathml.converter import convert

print("latex2mathml", version("latex2mathml"))
lines = r"a &= b \\ c &= d"
table = {name: convert(rf"\begin{{{name}}} {lines} \end{{{name}}}") for name in ("align*", "aligned")}


def is_xml(text):
    try:
        return ElementTree.fromstring(text) is not None
    except ElementTree.ParseError:
        return False


for name, found in table.items():
    print(f"{name:8} rows of a table: {found.count('<mtr>')}, & as identifiers: {found.count('<mi>&</mi>')}, XML: {is_xml(found)}")
word = convert(r"\mathrm{Var}")
print(f"mathrm   identifiers: {word.count('<mi')}")
print(table["aligned"])
print(word)
seen = [(found.count("<mtr>"), found.count("<mi>&</mi>"), is_xml(found)) for found in table.values()]
same = seen == [(2, 0, True), (0, 2, False)] and word.count("<mi") == 3
sys.exit(0 if same else 1)
PROGRAM
