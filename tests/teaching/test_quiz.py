"""What ``quiz`` leaves on the page, and that the place of an option says nothing about it."""

from collections import Counter

from reference.lessons import QUESTIONS
from reference.teaching import quiz
from reference.teaching.question import Question, no, shuffled, yes


def place_of_right(name: str, question: Question) -> int:
    return [option.right for option in shuffled(name, question).options].index(True)


def test_a_quiz_leaves_a_readable_text_where_widgets_do_not_run(shown, monkeypatch):
    quiz.quiz(QUESTIONS, "pad_is_eos")
    assert "( ) tokens != pad_id" in shown[-1]["text/plain"]
    monkeypatch.setattr(quiz, "STATIC", True)
    quiz.quiz(QUESTIONS, "pad_is_eos")
    assert "application/vnd.jupyter.widget-view+json" not in shown[-1]
    assert "<details>" in shown[-1]["text/markdown"] and "- tokens != pad_id" in shown[-1]["text/markdown"]


def test_the_order_does_not_depend_on_how_a_question_is_written():
    a, b, c = yes("A", ""), no("B", ""), no("C", "")
    orders = [[o.text for o in shuffled("q", Question("?", order)).options] for order in ((a, b, c), (c, a, b))]
    assert orders[0] == orders[1] == [o.text for o in shuffled("q", Question("?", (b, c, a))).options]
    assert sorted(orders[0]) == ["A", "B", "C"]
    assert len({place_of_right(str(i), Question("?", (a, b, c))) for i in range(20)}) == 3


def test_the_right_option_is_in_each_place_about_equally_often():
    places = Counter(place_of_right(name, question) for name, question in QUESTIONS.items())
    expected = len(QUESTIONS) / 3  # nearly all have three options
    # Under a uniform order the count has a standard deviation of sqrt(n * 1/3 * 2/3): three of them are allowed.
    assert all(abs(places[i] - expected) <= 3 * (len(QUESTIONS) * 2 / 9) ** 0.5 for i in range(3)), places


def test_neither_the_longest_nor_the_shortest_option_is_usually_right():
    by_length = [sorted(q.options, key=lambda option: len(option.text)) for q in QUESTIONS.values()]
    shortest, longest = (sum(options[end].right for options in by_length) for end in (0, -1))
    # By chance a third of them. 45 % is two standard deviations above that for 70 questions.
    assert max(shortest, longest) <= 0.45 * len(QUESTIONS), (shortest, longest)
