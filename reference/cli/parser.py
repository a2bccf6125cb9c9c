"""The parser that all commands use: it names the nearest word for one that does not exist."""

import argparse
import difflib
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn


class Parser(argparse.ArgumentParser):
    """Names the nearest word for one that does not exist, or the recipes that do have the option."""

    def parse_args(self, args: Iterable[str] | None = None, namespace: Any = None) -> Any:
        args = sys.argv[1:] if args is None else list(args)
        found, unknown = self.parse_known_args(args, namespace)
        if unknown:
            command = command_parser(self, args)
            command.error(f"unrecognized arguments: {' '.join(unknown)}{elsewhere(self, command, unknown[0])}")
        return found

    def _print_message(self, message: str, file: Any = None) -> None:
        """As argparse does, which hides that nobody reads any more: then the program ends as other tools do."""
        stream = sys.stderr if file is None else file
        if message and stream is not None:
            stream.write(message)

    def error(self, message: str) -> NoReturn:
        if wrong := re.search(r"invalid choice: '([^']*)'", message):
            message += suggestion(wrong[1], vocabulary(self))
        super().error(message)


def command_parser(parser: argparse.ArgumentParser, args: list[str]) -> argparse.ArgumentParser:
    """The parser of the command that was typed, or of its recipe."""
    for action in subcommands(parser):
        for place, word in enumerate(args, start=1):
            if word in action.choices:
                return command_parser(action.choices[word], args[place:])
    return parser


def elsewhere(parser: argparse.ArgumentParser, command: argparse.ArgumentParser, word: str) -> str:
    """What to say about an option that the command does not have: who has it, else what is near."""
    flag = word.split("=")[0]
    if flag in ("", "-", "--"):
        return ""
    having = sorted({name for name, child in named_parsers(parser) if flag in child._option_string_actions})
    if having and flag.startswith("-"):
        names = ", ".join(having[:6]) + (", ..." if len(having) > 6 else "")
        return f". This command has no {flag}; {names} {'has' if len(having) == 1 else 'have'} it"
    return suggestion(flag, vocabulary(command))


def suggestion(word: str, candidates: list[str]) -> str:
    near = difflib.get_close_matches(word.lower(), sorted(set(candidates)), n=2)
    return f". Did you mean {' or '.join(near)}?" if near else ""


def vocabulary(parser: argparse.ArgumentParser) -> list[str]:
    """Every command, recipe, option and choice below this parser."""
    found: list[str] = []
    for _, child in [("", parser), *named_parsers(parser)]:
        found += child._option_string_actions
        for action in child._actions:
            found += [str(choice) for choice in action.choices or ()]
    return found


def named_parsers(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """The parsers of all commands and recipes below this one, with their names."""
    for action in subcommands(parser):
        for name, child in action.choices.items():
            yield name, child
            yield from named_parsers(child)


def subcommands(parser: argparse.ArgumentParser) -> list[argparse._SubParsersAction]:
    return [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]


def without_defaults(parser: Parser) -> Parser:
    """The parser made so that what it finds is what was typed: an option that was left out is not there at all."""
    for _, child in [("", parser), *named_parsers(parser)]:
        child._defaults.clear()
        for action in child._actions:
            action.default = argparse.SUPPRESS
    return parser
