"""What ``score`` prints: every score with the text that was taken as the answer, and what could not be read."""

from collections.abc import Sequence

from reference.evaluation.completion_reading import Reading
from reference.evaluation.extractors import available
from reference.evaluation.printable import counted, file_name, percent, printable, share, table
from reference.evaluation.scores import Example, Scores

WIDEST = 28  # characters of an answer in a table


def report(scores: Scores, *, ks: Sequence[int] | None = None, show: int = 3) -> str:
    """Everything about one file. ``ks``: the k of pass@k; None: powers of two, as far as the samples go."""
    parts = [heading(scores), trouble_lines(scores.reading), score_table(scores), spread(scores)]
    if max(scores.samples) > 1 or ks:
        parts += [vote_table(scores), pass_table(scores, ks or default_ks(scores))]
    if len(scores.extractors) > 1:
        parts += [disagreements(scores), *examples(scores, show)]
    return "\n\n".join(part for part in parts if part)


def heading(scores: Scores) -> str:
    """The size of the file, what was read as what, and how long and how whole the completions are."""
    fewest, most = min(scores.samples), max(scores.samples)
    each = f"{most} for each problem" if fewest == most else f"{fewest} to {most} for each problem"
    n = scores.completions
    length = f"{scores.characters / n:.1f} characters" + (
        "" if scores.tokens is None else f", {scores.tokens / n:.1f} tokens"
    )
    return (
        f"{file_name(scores.reading.path)}: {counted(len(scores.samples), 'problem')}, {counted(n, 'completion')}, {each}\n"
        f"Read: {fields(scores.reading)}\n{protocol(scores.reading)}"
        f"Mean length: {length}. Truncated: {share(scores.truncated, n)}, which have no answer. Empty: {share(scores.empty, n)}"
    )


def fields(reading: Reading) -> str:
    """Which field was taken for what."""
    roles = [role for role in ("completion", "id", "question", "answer") if role in reading.fields]
    own = ", ".join(f"{role} from {printable(reading.fields[role], 40)}" for role in roles)
    golds = reading.golds.reading if reading.golds else None
    return own + (f"; from {file_name(golds.path)}: {fields(golds)}" if golds else "")


def protocol(reading: Reading) -> str:
    """How the completions were made, where the file says it."""
    if not reading.protocol:
        return ""
    words = ", ".join(f"{name} {value}" for name, value in reading.protocol.items())
    return f"Protocol: {printable(words, 300)}\n"


def trouble_lines(reading: Reading) -> str:
    """What was strange or wrong in the file, a line for each kind."""
    rows = [f"  {kind}: {count} ({places(reading, kind)})" for kind, count in reading.trouble.counts.most_common()]
    if "id" not in reading.fields and "question" not in reading.fields:
        rows.append("  the file has no id and no question: every line counts as a problem of its own")
    if reading.golds:
        rows += [
            f"  in the file of the answers, {row.strip()}"
            for row in trouble_lines(reading.golds.reading).splitlines()[1:]
        ]
    return "\n".join(["Strange or left out:", *rows]) if rows else ""


def places(reading: Reading, kind: str) -> str:
    """The numbers of the first lines of a kind."""
    first, count = reading.trouble.first[kind], reading.trouble.counts[kind]
    numbers = ", ".join(map(str, first)) + (", ..." if count > len(first) else "")
    return f"line{'s' if count > 1 else ''} {numbers}"


def score_table(scores: Scores) -> str:
    """A row for each extractor, with what it takes from the first completion."""
    rows = [("extractor", "score", "95 % interval", "no answer", f"takes in line {scores.first.line}")]
    for name in scores.extractors:
        low, high = scores.interval(name)
        none = share(scores.completions - scores.answered[name], scores.completions)
        rows.append(
            (name, percent(scores.rate(name)), f"[{percent(low)}, {percent(high)}]", none, taken(scores.first, name))
        )
    words = {name: extractor.words for name, extractor in available().items()}
    notes = [f"  {name}: {words[name]}" for name in scores.extractors if name in words]
    errors = [
        f"  {name} failed with an error on {n} completions, which have no answer" for name, n in scores.failed.items()
    ]
    title = f"Score (pass@1) and 95 % Wilson interval; n is {counted(len(scores.samples), 'problem')}"
    return "\n".join([title, *table(rows), "What counts as the answer:", *notes, *errors])


def spread(scores: Scores) -> str:
    """How much of the score is the model, and how much the extractor."""
    if len(scores.extractors) < 2:
        return ""
    rates = {name: scores.rate(name) for name in scores.extractors}
    low, high = min(rates, key=rates.__getitem__), max(rates, key=rates.__getitem__)
    alike = sum(n for verdicts, n in scores.verdicts.items() if len(set(verdicts)) == 1) / scores.completions
    agree = f"All extractors agree on {percent(alike)} of the completions."
    if rates[low] == rates[high]:
        return f"The score is the same under every extractor. {agree}"
    return (
        f"The same completions score from {percent(rates[low])} ({low}) to {percent(rates[high])} ({high}): "
        f"{100 * (rates[high] - rates[low]):.1f} points lie in the extractor. {agree}"
    )


def vote_table(scores: Scores) -> str:
    rule = {"split": "shared among the tied answers", "first": "given to the answer that came first", "wrong": "wrong"}
    rows = [("extractor", "majority", "95 % interval", "problems with a tie")]
    n = len(scores.samples)
    for name in scores.extractors:
        low, high = scores.majority_interval(name)
        rows.append((name, percent(scores.majority_rate(name)), f"[{percent(low)}, {percent(high)}]", share(scores.tied[name], n)))  # fmt: skip
    title = f"Majority vote of the answers of a problem; a tie is {rule[scores.ties]} (--ties {scores.ties})"
    return "\n".join([title, *table(rows)])


def default_ks(scores: Scores) -> list[int]:
    return [2**i for i in range(20) if 2**i <= max(scores.samples)]


def pass_table(scores: Scores, ks: Sequence[int]) -> str:
    """pass@k without bias, and how many problems have too few completions for it."""
    few = {k: scores.pass_at(scores.extractors[0], k)[1] for k in ks}
    rows = [("extractor", *(f"pass@{k}" for k in ks))]
    for name in scores.extractors:
        values = [scores.pass_at(name, k)[0] for k in ks]
        rows.append((name, *("-" if value is None else percent(value) for value in values)))
    notes = [
        f"  pass@{k} leaves out {share(n, len(scores.samples))} of the problems: they have fewer than {k} completions"
        for k, n in few.items() if n
    ]  # fmt: skip
    return "\n".join(["pass@k, unbiased (2107.03374, eq. 1), mean over problems", *table(rows), *notes])


def disagreements(scores: Scores) -> str:
    """The matrix of verdicts that differ."""
    names = scores.extractors
    rows = [("", *(str(i + 1) for i in range(len(names))))]
    for i, name in enumerate(names):
        cells = ("." if other == name else str(scores.differing(name, other)) for other in names)
        rows.append((f"{i + 1} {name}", *cells))
    title = f"Completions that one extractor takes for right and another for wrong, of {scores.completions}"
    return "\n".join([title, *table(rows)])


def instructive(scores: Scores, show: int) -> list[tuple[int, Example]]:
    """The shortest completion of each row of verdicts that are not all alike, the commonest rows first."""
    differing = [(n, scores.examples[v]) for v, n in scores.verdicts.most_common() if len(set(v)) > 1]
    return differing[:show]


def examples(scores: Scores, show: int) -> list[str]:
    """Completions on which the extractors disagree, with what each took."""
    return [
        f"Line {e.line}, gold {' or '.join(printable(gold, WIDEST) for gold in e.golds)} "
        f"({n} {'completion is' if n == 1 else 'completions are'} judged so): {'... ' if e.length > len(e.text) else ''}"
        f"{printable(e.text, 4 * len(e.text))}\n"
        + "\n".join(
            f"  {'right' if e.right[name] else 'wrong'}  {name:16} {taken(e, name)}" for name in scores.extractors
        )
        for n, e in instructive(scores, show)
    ]


def taken(example: Example, name: str) -> str:
    answer = example.taken[name]
    if answer is None:
        return "nothing: truncated" if example.truncated else "nothing"
    return printable(answer, WIDEST)
