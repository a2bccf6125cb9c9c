"""Every option of every question is chosen, and explained."""

import pytest

from reference.lessons import QUESTIONS
from reference.teaching import quiz


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_option_of_every_question_is_explained(name):
    question = QUESTIONS[name]
    assert sum(option.right for option in question.options) == 1
    title, *buttons, verdict, _ = quiz.build(question).children
    assert question.text.split("?")[0][:20] in title.value.replace("&#x27;", "'").replace("&lt;", "<").replace(
        "&gt;", ">"
    )
    assert verdict.value == "" and len(buttons) == len(question.options)
    for button, option in zip(buttons, question.options, strict=True):
        button.click()
        assert ("Right" in verdict.value) == option.right
        assert [b.description[0] for b in buttons].count("○") == len(buttons) - 1  # the one before is open again
        assert button.description[0] == ("✓" if option.right else "✗")
        assert len(option.why) > 20
