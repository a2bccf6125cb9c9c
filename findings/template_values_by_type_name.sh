#!/usr/bin/env bash
# transformers: a value that is no plain JSON reaches the chat template as the name of its type, without a word.
#
# One would guess: a tool call with a date or a Decimal among its arguments fails, as json.dumps does, or is printed as
# its str(); a path as the content is printed as the path. And a function that is passed to apply_chat_template can be
# called by the template ("additional kwargs to pass to the template renderer").
#
# Seen: since templates are rendered in a sandbox of plain data, a date is the text <date>, a Decimal <Decimal>, a path
# <PosixPath>, and a function <function>, which fails only when the template calls it. A model is then trained, or asked,
# with {"day": "<date>"}. Nothing warns. (What is json.dumps'ed by the caller is of course passed as it is.)
#
# Exits with 1 if this changes. FINDINGS_PYTHON=/path/to/python: an environment that has the packages; none is installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}
if [ -z "$python" ]; then
  python3 -m venv "$folder/venv"
  python=$folder/venv/bin/python
  "$python" -m pip install --quiet --disable-pip-version-check transformers==5.23.0 jinja2==3.1.6
fi
cd "$folder"
HF_HUB_OFFLINE=1 TRANSFORMERS_VERBOSITY=error "$python" -W ignore - <<'PROGRAM'
import datetime, decimal, pathlib, sys, uuid
import transformers
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

print(f"transformers {transformers.__version__}")
tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"<unk>": 0}, unk_token="<unk>")))
tokenizer.chat_template = (
    "{% for m in messages %}{{ m.content }}{% for c in m.tool_calls or [] %}{{ c.function.arguments | tojson }}"
    "{% endfor %}{% endfor %}{% if clock %}{{ clock() }}{% endif %}"
)
arguments = {"day": datetime.date(2026, 1, 2), "price": decimal.Decimal("1.50"), "id": uuid.UUID(int=3), "tags": {"a"}}
call = {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": {"name": "buy", "arguments": arguments}}]}
called = tokenizer.apply_chat_template([call], tokenize=False)
said = tokenizer.apply_chat_template([{"role": "user", "content": pathlib.PurePosixPath("/tmp/notes.txt")}], tokenize=False)
try:
    told = tokenizer.apply_chat_template([{"role": "user", "content": "now"}], tokenize=False, clock=lambda: "noon")
except TypeError as error:
    told = f"TypeError: {error}"
print("arguments", arguments)
print("rendered ", called)
print("content   /tmp/notes.txt, a path; rendered", said)
print("a function called by the template:", told)
expected = '{"day": "<date>", "price": "<Decimal>", "id": "<UUID>", "tags": "<set>"}', "<PurePosixPath>"
if (called, said) != expected or "not callable" not in told:
    sys.exit("this has changed: values are no longer replaced by the names of their types")
print("as described: values are replaced by the names of their types")
PROGRAM
