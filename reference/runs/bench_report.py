"""What ``bench`` has measured, as text."""

from typing import Any

MEGABYTE = 1e6


def bench_report(measured: dict[str, Any]) -> str:
    """The first line says what was run and where; then a row per side, the ratio, and the memory if it was counted."""
    of_memory = memory_lines(measured) if measured["memory"] else []
    return "\n".join([first_line(measured), "", *side_lines(measured), "", *ratio_lines(measured), *of_memory])


def first_line(measured: dict[str, Any]) -> str:
    recipe, machine, busy = measured["recipe"], measured["machine"], measured["options"]["busy"]
    where = machine["gpu"] or f"{machine['threads']} threads"
    beside = f"; beside {busy} busy process{'es' if busy > 1 else ''}" if busy else ""
    turns = measured["options"]["turns"]
    return (
        f"{recipe['name']}, {recipe['prompts_per_step']} prompts x {recipe['group_size']} completions, "
        f"{recipe['minibatches'] * recipe['inner_epochs']} optimizer steps; {turns} turn{'s' if turns > 1 else ''}; "
        f"{machine['device']}, {where}, torch {measured['versions']['torch']}{beside}"
    )


def side_lines(measured: dict[str, Any]) -> list[str]:
    """Seconds of a step with their spread, and what follows from the median."""
    table = [("", "rows", "step (s)", "25 %", "75 %", "fastest", "slowest", "rollouts/s", "tokens/s", "of peak")]
    for name, side in measured["sides"].items():
        took = side["seconds"]
        spread = (took[key] for key in ("median", "quartile_1", "quartile_3", "least", "most"))
        table.append(
            (name, str(side["micro_batch_size"]), *(f"{seconds:.2f}" for seconds in spread),
             f"{side['rollouts_per_second']:.0f}", f"{side['tokens_per_second']:.0f}", f"{side['share_of_peak']:.0%}")
        )  # fmt: skip
    return aligned(table)


def ratio_lines(measured: dict[str, Any]) -> list[str]:
    ratio, matmul = measured["ratio"], measured["matmul"]
    before = measured["options"]["before"]
    other = f"The step of {before}" if before else "TRL's step"
    return [
        f"{other} takes {ratio['median']:.2f} times as long as ours: the median of the turns, half of which lie from "
        f"{ratio['quartile_1']:.2f} to {ratio['quartile_3']:.2f}, all from {ratio['least']:.2f} to {ratio['most']:.2f}. "
        f"Per completion token: {ratio['per_token']:.2f} times.",
        f"rows: per forward pass of training. step: the median; half of the turns lie from 25 % to 75 %. of peak: of "
        f"{matmul['flops_per_second'] / 1e9:.0f} GFLOP/s, measured with a float32 matrix product of "
        f"{matmul['size']} x {matmul['size']}.",
    ]


def memory_lines(measured: dict[str, Any]) -> list[str]:
    """A row per measured step; then TRL's over ours, with as many rows on both sides, and with each side's own."""
    counted = measured["memory"]
    table = [("MB", "rows", "held", "peak", "total", "largest", "tokens")]
    for entry in counted:
        sizes = (entry["held"], entry["peak"], entry["held"] + entry["peak"], entry["largest"])
        megabytes = ("-" if size is None else f"{size / MEGABYTE:.1f}" for size in sizes)
        table.append((entry["side"], str(entry["micro_batch_size"]), *megabytes, f"{entry['tokens']:.0f}"))
    ours, theirs, *again = counted
    same = again[0] if again else ours
    lines = [
        "",
        "Memory of one step, in MB of tensors as torch counts them, each side by itself:",
        *aligned(table),
        f"With {theirs['micro_batch_size']} rows per forward pass on both sides, {times(theirs, same)}.",
    ]
    if again:
        lines.append(
            f"With {ours['micro_batch_size']} rows for ours and {theirs['micro_batch_size']} for TRL, {times(theirs, ours)}."
        )
    return [
        *lines,
        "held: when the step begins (weights, optimizer, what the step before left). peak: the most above that. largest: "
        "the largest tensor of the peak; torch counts all of it, also what nothing is written to.",
    ]


def times(theirs: dict[str, Any], ours: dict[str, Any]) -> str:
    """How many times as large their memory is, in words; once more without the largest tensor of each, where it is known."""
    peak, total = theirs["peak"] / ours["peak"], (theirs["held"] + theirs["peak"]) / (ours["held"] + ours["peak"])
    words = f"TRL's peak is {peak:.2f} times as large as ours, its total {total:.2f} times"
    rest = [entry["peak"] - entry["largest"] if entry["largest"] else 0 for entry in (theirs, ours)]
    return (
        f"{words}; without the largest tensor of each, its peak {rest[0] / rest[1]:.2f} times"
        if min(rest) > 0
        else words
    )


def aligned(table: list[tuple[str, ...]]) -> list[str]:
    """The rows with their columns under each other, on the right."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in table]
