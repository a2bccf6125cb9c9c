"""``quiz``: predict first, then read why. Every option is explained, the wrong ones too.

With a keyboard: Tab to the options, arrows to choose, Tab to the button, Enter.
"""

import html

import ipywidgets as widgets
from IPython.display import display

from .questions import QUESTIONS, Question
from .show import STATIC


def quiz(name: str) -> None:
    """Show the question ``name`` with its options. Choosing one and pressing the button explains it."""
    if name not in QUESTIONS:
        raise ValueError(f"there is no question {name!r}; the questions are {', '.join(QUESTIONS)}")
    question = QUESTIONS[name]
    if STATIC:
        display({"text/plain": as_text(question), "text/markdown": as_markdown(question)}, raw=True)
    else:
        box = build(question)
        display({**box._repr_mimebundle_(), "text/plain": as_text(question)}, raw=True)


def build(question: Question) -> widgets.VBox:
    """The question as a widget: radio buttons, a button, and a place for the explanation."""
    choice = widgets.RadioButtons(
        options=[(option.text, index) for index, option in enumerate(question.options)],
        index=None,
        layout=widgets.Layout(width="auto"),
    )
    button = widgets.Button(description="Check my answer", button_style="primary", disabled=True)
    verdict = widgets.HTML()

    def allow(_: object) -> None:
        button.disabled = choice.value is None
        verdict.value = ""

    def reveal(_: object) -> None:
        option = question.options[choice.value]
        mark = "✓ Right." if option.right else "✗ Not quite."
        verdict.value = f'<div role="status"><b>{mark}</b> {html.escape(option.why)}</div>'

    choice.observe(allow, "value")
    button.on_click(reveal)
    title = widgets.HTML(f"<b>{html.escape(question.text)}</b>")
    return widgets.VBox([title, choice, button, verdict], layout=widgets.Layout(padding="0 0 0.5em 0"))


def as_text(question: Question) -> str:
    return "\n".join([question.text, *(f"  ( ) {option.text}" for option in question.options)])


def as_markdown(question: Question) -> str:
    """For viewers without widgets: the answers folded away."""
    options = "\n".join(f"- {option.text}" for option in question.options)
    answers = "\n".join(f"- {'✓' if option.right else '✗'} *{option.text}* {option.why}" for option in question.options)
    return f"**{question.text}**\n\n{options}\n\n<details><summary>answers</summary>\n\n{answers}\n\n</details>"
