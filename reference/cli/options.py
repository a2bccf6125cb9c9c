"""Options that several commands have."""

import argparse
from collections.abc import Callable
from typing import Any

from reference.cli.values import folder, positive, seed, source


class Defaults(argparse.ArgumentDefaultsHelpFormatter):
    """Shows "none" as it is typed, and nothing where the help itself says what happens without the option."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default is not None:
            return super()._get_help_string(action)
        return f"{action.help} (default: none)" if "none" in str(action.metavar) else action.help


class OneOrSeveral(argparse.Action):
    """Keeps one value as itself, and several as a tuple."""

    def __call__(
        self, parser: object, namespace: argparse.Namespace, values: Any, option_string: object = None
    ) -> None:
        setattr(namespace, self.dest, values[0] if len(values) == 1 else tuple(values))


def add_model(add: Callable, default: str = "base") -> None:
    add("--model", type=source, metavar="NAME_OR_PATH", default=default,
        help="causal LM: a folder (also of a peft adapter), a hub name, or a shipped one: 'base', or 'tool-sft', which is "
        "the base after that recipe")  # fmt: skip


def add_folders(add: Callable, recipe: str, *, longer: bool) -> None:
    """``longer``: whether such a run can be given more steps when it goes on."""
    beside = "only --steps N may stand beside it, to go on to N steps" if longer else "no other option beside it"
    add("--out", metavar="FOLDER", type=folder, help=f"run folder; default runs/{recipe}-N with the first free N")
    add("--resume", metavar="RUN", type=folder,
        help=f"continue this run with the options it was started with; {beside}")  # fmt: skip


def add_seed(add: Callable, words: str, *, default: int = 0) -> None:
    add("--seed", type=seed, default=default, help=words)


def add_device(add: Callable) -> None:
    add("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps")


def add_save_every(add: Callable, steps: int) -> None:
    add("--save-every", type=positive(int), default=steps, metavar="STEPS", help="steps between checkpoints")
