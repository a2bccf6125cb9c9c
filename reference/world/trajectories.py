r"""Chats with tool calls as lines of a file, and the three sources that they come from.

    generated        problems are drawn, solved by a program, and every call is run (ToolBench, arXiv 2307.16789)
    self-labelled    a model proposes calls, and a loss decides which are kept (Toolformer, arXiv 2302.04761)
    hand-written     a dozen that people wrote, for what the other two do not reach

A line is one chat in the conversational format of TRL: ``{"messages": [...], "tools": [...]}``. A call is a name and a dict
of arguments. A call that is no JSON has neither, so it stands in the content of its turn, behind ``<|call|>``. Every tool's
turn holds what the tool really answered, and ``answered_again`` runs the calls once more. Nothing here needs a model.

The shipped files are made by these commands (``--overwrite`` where they are there):

    python -m reference trajectories generated --out reference/world/trajectories/generated.jsonl
    python -m reference trajectories hand-written --out reference/world/trajectories/hand_written.jsonl
    python -m reference trajectories self-labelled --count 240 --out reference/world/trajectories/self_labelled.jsonl.gz \
        --scores reference/world/trajectories/self_labelled_scores.json
"""

import gzip
import json
import random
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NoReturn, get_args

from reference.objectives.shapes import InputError
from reference.world.tool_calls import answer_call, schemas
from reference.world.tool_pairs import wasteful
from reference.world.tool_tasks import Message, ToolProblem, draw_tool_problem, draw_trajectory

Source = Literal["generated", "self-labelled", "hand-written"]
SOURCES: tuple[Source, ...] = get_args(Source)
FOLDER = Path(__file__).with_name("trajectories")
FILES: dict[Source, Path] = {
    "generated": FOLDER / "generated.jsonl",
    "self-labelled": FOLDER / "self_labelled.jsonl.gz",  # several hundred lines, each with the schema of the tool
    "hand-written": FOLDER / "hand_written.jsonl",
}
SCORES = FOLDER / "self_labelled_scores.json"
ROLES = ("user", "assistant", "tool")
CALL = "<|call|>"
FAILURES = 0.1  # of the calls that are generated
WASTE = 0.4  # of the generated solutions, but for those of two calls


def draw_chats(
    source: Source, rng: random.Random, count: int, *, failures: float = FAILURES, waste: float = WASTE
) -> list[list[Message]]:
    """``count`` chats: drawn anew from ``generated``, else lines of the shipped file, with replacement.

    ``failures``: the chance that a generated call is written wrongly at first, and repaired after the error. ``waste``: the
    chance that a generated solution calls more often than it must, as one does that was kept because its answer is right.
    The other sources read neither. All problems are of the training split. Raises ``InputError`` for a source that is none.
    """
    require_source(source)
    if source == "generated":
        return [generated(draw_tool_problem(rng), rng, failures, waste) for _ in range(count)]
    return rng.choices(shipped(source), k=count)


def generated(problem: ToolProblem, rng: random.Random, failures: float, waste: float) -> list[Message]:
    """One solution, right in any case."""
    if problem.kind != "two calls" and rng.random() < waste:
        return wasteful(problem)
    return draw_trajectory(problem, rng, failures=failures)


def shipped(source: Source) -> list[list[Message]]:
    """The chats of the file that comes with the package, in its order."""
    require_source(source)
    return read_trajectories(FILES[source])


def shipped_scores() -> dict[str, Any]:
    """What the self-labelled file was chosen from: columns of the first proposals that ran, and the losses of each."""
    return json.loads(SCORES.read_text())


def require_source(source: str) -> None:
    if source not in SOURCES:
        raise InputError(f"source is {source!r}: use one of {', '.join(map(repr, SOURCES))}")


def write_trajectories(path: str | Path, chats: Sequence[Sequence[Message]]) -> None:
    """A line for each chat, with the schemas of the tools. A file of that name is replaced; ``.gz`` is compressed."""
    tools = schemas()
    lines = [json.dumps({"messages": list(chat), "tools": tools}, ensure_ascii=False) + "\n" for chat in chats]
    data = "".join(lines).encode()
    path = Path(path)
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)  # no clock: same chats, same bytes


def read_trajectories(path: str | Path) -> list[list[Message]]:
    """The messages of every line. Raises ``InputError``, with the number of the line, for what is no chat with calls."""
    path = Path(path)
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    except OSError as error:  # of gzip too: a file that is none
        raise InputError(f"{path} cannot be read ({error.strerror or error}): name a file of trajectories") from None
    except (EOFError, zlib.error, UnicodeDecodeError) as error:
        raise InputError(f"{path} is damaged ({error}): make it again") from None
    chats = [messages_of(line, f"{path}, line {number}") for number, line in enumerate(text.splitlines(), start=1)]
    if not chats:
        raise InputError(f"{path} holds no chat: write one JSON object per line")
    return chats


def messages_of(line: str, where: str) -> list[Message]:
    """One line, read. ``where``: file and number of the line, for the refusal."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        refuse(where, "is not JSON", 'write {"messages": [...], "tools": [...]} in one line')
    messages = row.get("messages") if isinstance(row, dict) else None
    if not isinstance(messages, list) or not messages:
        refuse(where, "has no list of messages", 'write {"messages": [...], "tools": [...]}')
    for number, message in enumerate(messages, start=1):
        require_message(message, f"{where}, message {number}")
    if not any(message["role"] == "assistant" for message in messages):
        refuse(where, "has no turn of the assistant", "write what the model is to learn")
    return messages


def require_message(message: Any, where: str) -> None:
    """Refuse a message that the chat template cannot print, or would print as something else."""
    if not isinstance(message, dict) or message.get("role") not in ROLES:
        refuse(where, "has no role of the chat template", f"use one of {', '.join(ROLES)}")
    calls = message.get("tool_calls")
    if not isinstance(message.get("content"), str) and not (message.get("content") is None and calls):
        refuse(where, "has no content", "write it as a string, the result of a tool too")
    if calls is None:
        return
    if not isinstance(calls, list) or message["role"] != "assistant":
        refuse(where, "has tool_calls that are no list, or not the assistant's", "write [{...}] or leave it out")
    for call in calls:
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            refuse(where, "has a call without a name", 'write {"function": {"name": "...", "arguments": {...}}}')
        if not isinstance(function.get("arguments"), dict):
            refuse(where, "has a call whose arguments are no dict", 'write {"expression": "47*86"}, not JSON in quotes')


def refuse(where: str, what: str, fix: str) -> NoReturn:
    raise InputError(f"{where}, {what}: {fix}")


def calls_of(message: Message) -> list[str]:
    """The calls of a turn as the model writes them: those in ``tool_calls``, and those that stand in the content."""
    if message["role"] != "assistant":
        return []
    written = (message.get("content") or "").split(CALL)[1:]
    functions = [call["function"] for call in message.get("tool_calls") or []]
    return written + [json.dumps({"name": f["name"], "arguments": f["arguments"]}) for f in functions]


def answered_again(chat: Sequence[Message]) -> list[Message]:
    """The chat with every call run once more: its tool's turns say what the tool answers now.

    Raises ``InputError`` where calls and tool's turns do not stand in turn, one for one.
    """
    waiting: list[str] = []
    done: list[Message] = []
    for number, message in enumerate(chat, start=1):
        if (message["role"] == "tool") != bool(waiting):
            what = "comes before the tool's answer" if waiting else "is a tool's, and nothing was called"
            raise InputError(f"message {number} {what}: write one turn of the tool behind each call")
        done.append(message | {"content": answer_call(waiting.pop(0)).text} if waiting else message)
        waiting += calls_of(message)
    if waiting:
        raise InputError("the last call has no answer: write one turn of the tool behind each call")
    return done
