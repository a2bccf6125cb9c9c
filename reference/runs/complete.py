"""The command ``complete``: held-out problems answered under a protocol, into a file; goes on where it was stopped.

Lines are gathered in ``FILE.part`` as they come. Only a whole file gets its name, so nobody scores half a test.
"""

import gzip
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from reference.evaluation.log_ratios import TOKENS
from reference.evaluation.protocols import Against, Line, completion_lines, protocol_of
from reference.objectives.shapes import InputError
from reference.runs.files import parse_json, shell_path
from reference.runs.measure import newest_model
from reference.world.completions import require_tools
from reference.world.gate import require_sampler
from reference.world.model import load, pick_device


def complete_to_file(
    source: str, out: Path, options: Mapping[str, Any], *, name: str | None = None, overwrite: bool = False,
    device: str = "auto", against: str | None = None, against_name: str | None = None,
) -> list[Line]:  # fmt: skip
    """Write the completions of a run's newest checkpoint, a model folder, a hub model or a shipped one, and return the lines.

    ``options``: those of ``completion_lines``, but for the names of models. ``name``: of the model in the protocol; without
    one it is ``source``. ``against``: where the model lies that it is compared with, and ``against_name`` what the protocol
    calls it. Raises ``InputError`` where ``out`` is
    there and not to be replaced, where a part of another protocol lies beside it, and where the two models have
    different tokenizers.
    """
    part = out.with_name(out.name + ".part")
    if overwrite:
        part.unlink(missing_ok=True)
    elif out.exists():
        raise InputError(f"{out} is there: name another file, or replace it with --overwrite")
    asked = {key: options[key] for key in options if key != "problems"}
    done = begun(part, protocol_of(name=name or source, against=against_name or against, **asked))
    del done[options["problems"] :]  # of one protocol: the first of more problems are the same
    if len(done) < options["problems"]:
        model, tokenizer = load(newest_model(source), device=pick_device(device))
        require_sampler(model, tokenizer, max_new_tokens=options["max_new_tokens"])
        if options["task"] == "tools":
            require_tools(model, tokenizer, max_new_tokens=options["max_new_tokens"], max_calls=options["max_calls"])
        other = load_against(against, tokenizer, name=against_name, device=device) if against else None
        out.parent.mkdir(parents=True, exist_ok=True)
        lines = completion_lines(model, tokenizer, name=name or source, first=len(done), against=other, **options)
        append(part, lines, done, problems=options["problems"])
    data = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in done).encode()
    part.write_bytes(gzip.compress(data, mtime=0) if out.suffix == ".gz" else data)  # no clock: same lines, same bytes
    part.replace(out)
    return done


def load_against(source: str, tokenizer: PreTrainedTokenizerBase, *, device: str, name: str | None = None) -> Against:
    """The model that a policy with this tokenizer is compared with. Raises ``InputError`` where it has another."""
    model, own = load(newest_model(source), device=pick_device(device))
    if own.get_vocab() != tokenizer.get_vocab():
        raise InputError(
            f"--against {source} has another tokenizer than the model ({len(own)} and {len(tokenizer)} tokens), so a token "
            "has no log-prob of both: name the model from which the training began"
        )
    require_sampler(model, own, max_new_tokens=TOKENS)
    return Against(name or source, model)


def append(part: Path, lines: Iterable[Line], done: list[Line], *, problems: int) -> None:
    """Write the lines that come to the end of the part, and add them to what is done. A part without a line is removed."""
    try:
        with part.open("a") as file, tqdm(
            total=problems, initial=len(done), desc="complete", unit="problem", leave=False
        ) as bar:  # fmt: skip
            for line in lines:
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
                done.append(line)
                bar.update()
    finally:
        if not done:
            part.unlink(missing_ok=True)


def begun(part: Path, protocol: Line) -> list[Line]:
    """The lines that an interrupted command has left. From the first on that is cut or not as it was written, they are taken
    off the file, and made again."""
    if not part.exists():
        return []
    lines, whole = [], 0
    for text in part.read_bytes().splitlines(keepends=True):
        try:
            line = parse_json(text)
        except ValueError:
            break
        if not text.endswith(b"\n") or not isinstance(line, dict) or line.get("id") != len(lines):
            break
        if line.get("protocol") != protocol:
            raise InputError(
                f"{part} was begun under another protocol ({differences(line.get('protocol'), protocol)}): finish it with "
                f"that, delete it, or begin anew with --overwrite"
            )
        if not is_whole(line):
            break
        lines.append(line)
        whole += len(text)
    with part.open("r+b") as file:
        file.truncate(whole)
    return lines


def is_whole(line: Line) -> bool:
    """Whether a line of this protocol has all that ``lines_of`` writes, an entry for each completion in every list."""
    protocol, tokens = line["protocol"], line.get("tokens")
    kinds: dict[str, type] = {"completions": str, "truncated": bool, "tokens": int}
    kinds |= {"calls": int} if protocol["task"] == "tools" else {}
    kinds |= {"log_ratios": list} if "log_ratios" in protocol else {}
    lists = [line.get(name) for name in kinds]
    if not all(isinstance(values, list) and len(values) == protocol["samples"] for values in lists):
        return False
    texts = isinstance(line.get("question"), str) and isinstance(line.get("answer"), str)
    entries = all(type(value) is kind for name, kind in kinds.items() for value in line[name])
    return texts and entries and all(map(is_of_tokens, line.get("log_ratios", []), tokens or []))


def is_of_tokens(ratios: list[Any], tokens: int) -> bool:
    """A number for each of the first tokens of a completion."""
    return len(ratios) == min(TOKENS, tokens) and all(type(ratio) is float for ratio in ratios)


def differences(there: Any, asked: Line) -> str:
    """What a protocol has in the place of what was asked for."""
    there = there if isinstance(there, dict) else {}
    names = [name for name in {**there, **asked} if there.get(name) != asked.get(name)]
    return ", ".join(f"{name} {there.get(name)} and not {asked.get(name)}" for name in names[:3])


def told(out: Path, lines: list[Line]) -> str:
    """What was written, and what to do with it."""
    completions = sum(len(line["completions"]) for line in lines)
    cut = sum(sum(line["truncated"]) for line in lines)
    return (
        f"{len(lines)} problems, {completions} completions, {cut} of them truncated, "
        f"{sum(sum(line['tokens']) for line in lines) / completions:.1f} tokens each.\n"
        f"Score them: python -m reference score {shell_path(out)}"
    )
