"""The file of a config that is a command: a shell script with the options in an array, so that each can have its comment."""

import shlex
from collections.abc import Callable
from typing import Any

from reference.frameworks.exporters.parts import Exported
from reference.frameworks.exporters.words import commented, header, title


def shell(
    exported: Exported,
    model: str | None,
    *,
    program: str,
    spell: Callable[[str, Any], list[str]],
    fill: Callable[[str, str], str],
) -> str:
    """``spell``: an option with its value, as the command takes it; ``fill``: an option whose value is a variable."""  # fmt: skip
    lines = ["#!/usr/bin/env bash", f"# {title(exported)}", *[f"# {line}" if line else "#" for line in header(exported)],
             "set -euo pipefail", "", "# FILL IN these here, or set them in front of the command."]  # fmt: skip
    for one in exported.placeholders:
        known = model if one.variable == "MODEL" else None
        lines.append(
            f"{one.variable}={shlex.quote(known)}" if known else f"{one.variable}=${{{one.variable}:?{one.what}}}"
        )
    lines += ["", "options=("]
    lines += ["    " + fill(option, one.variable) for one in exported.placeholders for option in one.options]
    lines += [*commented(exported, spell, indent=4), ")", f'{program} "${{options[@]}}" "$@"']
    return "\n".join(lines) + "\n"
