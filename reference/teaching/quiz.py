"""``quiz``: predict first, then read why. Every option is explained, the wrong ones too.

Each option is a button. With a keyboard: Tab to an option, Enter or Space to answer. (The arrow keys belong to
JupyterLab, which moves to another cell.)
"""

import html

import ipywidgets as widgets
from IPython.display import display

from .question import Option, Question, shuffled
from .show import STATIC, view_of
from .spoken import panel, spoken

# ipywidgets cuts the text of a button off at its edge. These wrap it.
STYLE = """<style>
.quiz-option.jupyter-button { width: auto; max-width: 60em; height: auto; min-height: 2.2em; white-space: normal;
  text-align: left; line-height: 1.35; padding: 0.35em 0.8em; margin: 0.15em 0; }
.quiz-option.jupyter-button:focus-visible { outline: 2px solid var(--jp-brand-color1, #1976d2); outline-offset: 1px; }
</style>"""


def quiz(questions: dict[str, Question], name: str) -> None:
    """Show the question ``name`` with its options. Pressing one answers it and says why it is right or wrong."""
    if name not in questions:
        raise ValueError(f"there is no question {name!r}; the questions are {', '.join(questions)}")
    question = shuffled(name, questions[name])
    if STATIC:
        display({"text/plain": as_text(question), "text/markdown": as_markdown(question)}, raw=True)
    else:
        box = build(question)
        display({**view_of(box), "text/plain": as_text(question)}, raw=True)


def build(question: Question) -> widgets.VBox:
    """The question as a widget: a title, a button for each option, and a place for the explanation."""
    verdict = spoken()
    buttons = [widgets.Button(description=open_option(option)) for option in question.options]

    def show_answer(choice: widgets.Button) -> None:
        for button, option in zip(buttons, question.options, strict=True):
            button.description = answer_text(option) if button is choice else open_option(option)
        verdict.value = explanation(question.options[buttons.index(choice)])

    for button in buttons:
        button.add_class("quiz-option")
        button.on_click(show_answer)
    title = widgets.HTML(f'{STYLE}<b class="question">{html.escape(question.text)}</b>')
    layout = widgets.Layout(padding="0 0 0.5em 0", align_items="flex-start")
    return panel([title, *buttons, verdict], layout=layout)


def open_option(option: Option) -> str:
    return f"○  {option.text}"


def answer_text(option: Option) -> str:
    """The mark is text, not a colour alone."""
    return f"{'✓' if option.right else '✗'}  {option.text}  (your answer)"


def explanation(option: Option) -> str:
    mark = "✓ Right." if option.right else "✗ Not quite."
    return f"<b>{mark}</b> {html.escape(option.why)}"


def as_text(question: Question) -> str:
    return "\n".join([question.text, *(f"  ( ) {option.text}" for option in question.options)])


def as_markdown(question: Question) -> str:
    """For viewers without widgets: the answers folded away."""
    options = "\n".join(f"- {option.text}" for option in question.options)
    answers = "\n".join(f"- {'✓' if option.right else '✗'} *{option.text}* {option.why}" for option in question.options)
    return f"**{question.text}**\n\n{options}\n\n<details><summary>answers</summary>\n\n{answers}\n\n</details>"
