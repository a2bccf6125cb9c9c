"""Four configs of four frameworks, and what each of them amounts to in the words of a recipe."""

from functools import cache
from pathlib import Path
from typing import Any

from reference.configs.read_config import read_config
from reference.frameworks.explain import Explanation, explain
from reference.objectives.shapes import InputError

FOLDER = Path(__file__).parent / "configs"
CONFIGS = {"verl": "verl_math.sh", "trl": "trl_cispo.py", "openrlhf": "openrlhf_group.sh", "skyrl": "skyrl_rloo.sh"}
COLUMNS = ("advantage", "kl", "kl_place", "kl_coef", "aggregation", "clip_low", "clip_high", "dual_clip")


def config_path(name: str) -> Path:
    """The file of a config. Raises ``InputError`` with the names that there are."""
    if name not in CONFIGS:
        raise InputError(f"no config is called {name!r}: choose one of {', '.join(CONFIGS)}")
    return FOLDER / CONFIGS[name]


def config_text(name: str) -> str:
    return config_path(name).read_text(encoding="utf-8")


def numbered(name: str) -> str:
    """The text with the number of each line in front, as ``explain`` names them."""
    return "\n".join(f"{number:2}  {line}" for number, line in enumerate(config_text(name).splitlines(), 1))


@cache
def explained(name: str) -> Explanation:
    """What ``python -m reference explain`` finds in the file."""
    return explain(read_config(config_path(name)), name=CONFIGS[name])


def recipe_of_config(name: str) -> dict[str, Any]:
    """The answers to the three questions of the article's conclusion, for one of the four configs.

        recipe_of_config("verl")["kl_place"]    loss

    Args:
        name: verl, trl, openrlhf or skyrl.

    Returns:
        ``COLUMNS`` in the words of ``python -m reference recipes``; None where there is none.

    Raises ``InputError`` for another name.
    """
    columns = explained(name).columns
    return {column: columns.get(column) for column in COLUMNS}
