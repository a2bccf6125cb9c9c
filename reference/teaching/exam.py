"""``exam``: several questions at once, checked together, with a score per goal and the section to go back to.

Everything is text and a plain table, so that a keyboard and a screen reader are enough. An answer that cannot be read is
named and counts as none; nothing raises.
"""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from IPython.display import display

from .question import Question, digest, shuffled

LETTERS = "abcdefgh"
HOW = 'Answer in a cell, all of them or some: exam({1: "b", 2: "a"}). A number stands for a question, a letter for an option.'


@dataclass(frozen=True)
class Item:
    """A question of an exam: the goal that it belongs to, and the section of the notebook that answers it."""

    name: str
    goal: str
    question: Question
    notebook: str
    section: int

    @property
    def place(self) -> str:
        return f"notebook {self.notebook[:2]}, section {self.section}"


@dataclass(frozen=True)
class Marked:
    """An answered question: ``letter`` is what was chosen, None where nothing was."""

    number: int
    item: Item
    letter: str | None

    @property
    def right(self) -> bool:
        return self.letter is not None and self.item.question.options[LETTERS.index(self.letter)].right

    @property
    def why(self) -> str:
        """What speaks for or against the chosen option."""
        return self.item.question.options[LETTERS.index(self.letter)].why if self.letter else ""


def sit(pool: Sequence[Item], answers: Any = None, *, draw: int = 0) -> None:
    """Show the questions; or, of a mapping from numbers to letters, the result. Of anything else, how to answer."""
    items = paper(pool, draw=draw)
    if answers is None:
        display({"text/plain": paper_text(items), "text/html": paper_html(items)}, raw=True)
    elif not isinstance(answers, Mapping) or not answers:
        print(f"No answers yet. {HOW}")
    else:
        result = mark(items, answers)
        display({"text/plain": result_text(*result), "text/html": result_html(*result)}, raw=True)


def paper(pool: Sequence[Item], *, per_goal: int = 3, draw: int = 0) -> list[Item]:
    """So many questions of each goal, in the order of the pool's goals; another ``draw`` takes others of them."""
    chosen = []
    for goal in dict.fromkeys(item.goal for item in pool):
        of_goal = [item for item in pool if item.goal == goal]
        first = sorted(of_goal, key=lambda item: digest(f"draw {draw}: {item.name}"))[:per_goal]
        chosen += [item for item in of_goal if item in first]
    return [with_right_at(place, item) for place, item in zip(places(len(chosen), draw), chosen, strict=True)]


def places(count: int, draw: int) -> list[int]:
    """Where the right option of each question stands: 0, 1 and 2 equally often, in an order that says nothing."""
    order = sorted(range(count), key=lambda number: digest(f"draw {draw}: place {number}"))
    return [order.index(number) % 3 for number in range(count)]


def with_right_at(place: int, item: Item) -> Item:
    """The item with its right option there, and the others around it, sorted by a hash of their text."""
    options = shuffled(item.name, item.question).options
    right = [option for option in options if option.right]
    wrong = [option for option in options if not option.right]
    return replace(item, question=replace(item.question, options=(*wrong[:place], *right, *wrong[place:])))


def mark(items: Sequence[Item], answers: Mapping[Any, Any]) -> tuple[list[Marked], list[str]]:
    """Every question with its answer, and a sentence for each answer that cannot be read."""
    read, strange = {}, []
    for key, value in answers.items():
        number, letter = as_number(key), str(value).strip().lower()
        if number is None or not 1 <= number <= len(items):
            strange.append(f"there is no question {key!r}: they are numbered from 1 to {len(items)}")
        elif letter not in (letters := list(LETTERS[: len(items[number - 1].question.options)])):
            strange.append(f"question {number}: {value!r} is no answer, choose one of {', '.join(letters)}")
        else:
            read[number] = letter
    return [Marked(number, item, read.get(number)) for number, item in enumerate(items, 1)], strange


def as_number(key: Any) -> int | None:
    """1 and "1" are the first question."""
    text = str(key).strip()
    return int(text) if text.isascii() and text.isdigit() else None


# --- the paper ---


def paper_text(items: Sequence[Item]) -> str:
    lines = [HOW]
    for number, item in enumerate(items, 1):
        if number == 1 or items[number - 2].goal != item.goal:
            lines += ["", item.goal]
        lines += ["", f"{number}. {item.question.text}"]
        lines += [f"   {letter}) {o.text}" for letter, o in zip(LETTERS, item.question.options, strict=False)]
    return "\n".join(lines)


def paper_html(items: Sequence[Item]) -> str:
    parts = [f"<p>{html.escape(HOW)}</p>"]
    for number, item in enumerate(items, 1):
        if number == 1 or items[number - 2].goal != item.goal:
            parts.append(f"<h4>{html.escape(item.goal)}</h4>")
        options = "<br>".join(
            f"{letter}) {html.escape(o.text)}" for letter, o in zip(LETTERS, item.question.options, strict=False)
        )
        parts.append(f"<p><b>{number}.</b> {html.escape(item.question.text)}<br>{options}</p>")
    return "\n".join(parts)


# --- the result ---


def scores(marked: Sequence[Marked]) -> dict[str, tuple[int, int]]:
    """Goal -> right answers, and questions."""
    found = {}
    for goal in dict.fromkeys(one.item.goal for one in marked):
        of_goal = [one for one in marked if one.item.goal == goal]
        found[goal] = (sum(one.right for one in of_goal), len(of_goal))
    return found


def result_text(marked: Sequence[Marked], strange: Sequence[str]) -> str:
    lines = [headline(marked), ""]
    lines += [f"{right} of {count}  {goal}" for goal, (right, count) in scores(marked).items()]
    if missed := wrong_ones(marked):
        lines += ["", "to go back to"]
        lines += [f"- question {one.number}, your answer {one.letter}: {one.why} ({one.item.place})" for one in missed]
    return "\n".join([*lines, *unread(marked, strange)])


def result_html(marked: Sequence[Marked], strange: Sequence[str]) -> str:
    """The same as tables, whose links lead to the notebooks beside this one."""
    rows = [
        f'<tr><th scope="row" style="text-align:left">{html.escape(goal)}</th><td>{right} of {count}</td></tr>'
        for goal, (right, count) in scores(marked).items()
    ]
    parts = [table_of("goal", "right", rows, headline(marked))]
    if missed := wrong_ones(marked):
        rows = [
            f'<tr><th scope="row">{one.number}, your answer {one.letter}</th><td style="text-align:left">'
            f'{html.escape(one.why)} <a style="text-decoration:underline" href="{one.item.notebook}.ipynb">{html.escape(one.item.place)}</a></td></tr>'
            for one in missed
        ]
        parts.append(table_of("question", "why not, and where to go back to", rows, "To go back to"))
    return "\n".join([*parts, *(f"<p>{html.escape(line)}</p>" for line in unread(marked, strange) if line)])


def table_of(first: str, second: str, rows: Sequence[str], caption: str) -> str:
    head = f'<tr><th scope="col">{first}</th><th scope="col">{second}</th></tr>'
    body = "".join(rows)
    return f"<table><caption>{html.escape(caption)}</caption><thead>{head}</thead><tbody>{body}</tbody></table>"


def headline(marked: Sequence[Marked]) -> str:
    return f"{sum(one.right for one in marked)} of {len(marked)} right"


def wrong_ones(marked: Sequence[Marked]) -> list[Marked]:
    return [one for one in marked if one.letter and not one.right]


def unread(marked: Sequence[Marked], strange: Sequence[str]) -> list[str]:
    """What was not answered, and what could not be read."""
    lines = ["", *(f"not read: {sentence}" for sentence in strange)] if strange else []
    if silent := [str(one.number) for one in marked if one.letter is None]:
        lines += ["", f"not answered: {', '.join(silent)}"]
    return lines
