"""What ``quiz`` leaves on the page."""

from reference.lessons import QUESTIONS
from reference.teaching import quiz


def test_a_quiz_leaves_a_readable_text_where_widgets_do_not_run(shown, monkeypatch):
    quiz.quiz(QUESTIONS, "pad_is_eos")
    assert "( ) tokens != pad_id" in shown[-1]["text/plain"]
    monkeypatch.setattr(quiz, "STATIC", True)
    quiz.quiz(QUESTIONS, "pad_is_eos")
    assert "application/vnd.jupyter.widget-view+json" not in shown[-1]
    assert "<details>" in shown[-1]["text/markdown"] and "- tokens != pad_id" in shown[-1]["text/markdown"]
