#!/usr/bin/env bash
# transformers: what get_json_schema makes of ordinary docstrings and signatures of tools.
#
# One would guess: "(choices: [...])" becomes an enum wherever it stands in an argument's line; *args and **kwargs are
# refused or left out, as they are no named arguments; an argument that may be None need not be given; a line after the
# Args block belongs to the function.
#
# Seen: a dot after "(choices: [...])" keeps it as words, and there is no enum. *numbers: int and **options: int become
# two required integers; a call that follows the schema finds both in **options, and *numbers empty. Optional[int] without a default is nullable and
# required. A sentence after the Args block becomes part of the last argument's description.
#
# Exits with 1 if this changes. FINDINGS_PYTHON=/path/to/python: an environment that has the packages; none is installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${FINDINGS_PYTHON:-}
if [ -z "$python" ]; then
  python3 -m venv "$folder/venv"
  python=$folder/venv/bin/python
  "$python" -m pip install --quiet --disable-pip-version-check torch==2.13.0 transformers==5.23.0
fi
cd "$folder"
HF_HUB_OFFLINE=1 CUDA_VISIBLE_DEVICES="" "$python" -W ignore - <<'PROGRAM'
import sys
from typing import Optional

import transformers
from transformers.utils import get_json_schema

print(f"transformers {transformers.__version__}")


def with_dot(unit: str):
    """Weather.

    Args:
        unit: The unit. (choices: ["celsius", "kelvin"]).
    """


def without_dot(unit: str):
    """Weather.

    Args:
        unit: The unit. (choices: ["celsius", "kelvin"])
    """


def star(*numbers: int, **options: int):
    """Add.

    Args:
        numbers: The numbers.
        options: The options.
    """
    return numbers, options


def nullable(limit: Optional[int]):
    """Search.

    Args:
        limit: At most so many.
    """


def note(limit: int):
    """Search.

    Args:
        limit: At most so many.

    Note that a search is slow.
    """


shape = {f.__name__: get_json_schema(f)["function"]["parameters"] for f in (with_dot, without_dot, star, nullable, note)}
for name, parameters in shape.items():
    print(f"{name:12} {parameters['properties']}  required {parameters.get('required')}")
received = star(**{"numbers": 1, "options": 2})  # the call that the schema asks for
print(f"star receives {received}")
as_seen = (
    received == ((), {"numbers": 1, "options": 2}) and
    "enum" not in shape["with_dot"]["properties"]["unit"]
    and shape["without_dot"]["properties"]["unit"]["enum"] == ["celsius", "kelvin"]
    and shape["star"]["required"] == ["numbers", "options"]
    and shape["star"]["properties"]["numbers"]["type"] == "integer"
    and shape["nullable"]["required"] == ["limit"] and shape["nullable"]["properties"]["limit"]["nullable"]
    and "slow" in shape["note"]["properties"]["limit"]["description"]
)
sys.exit(0 if as_seen else 1)
PROGRAM
