"""The exam as a tool: what is drawn, what is marked, and that no answer of any kind can make it raise."""

import pytest

from reference.teaching.exam import LETTERS, Item, mark, paper, paper_html, paper_text, places, result_html, result_text
from reference.teaching.question import Question, no, yes


def item(goal: str, number: int) -> Item:
    question = Question(f"{goal} {number}?", (yes("A < B.", "so it is"), no("B.", "not so"), no("C.", "nor so")))
    return Item(f"{goal}_{number}", goal, question, "06_aggregation", 2)


POOL = [item(goal, number) for goal in ("one", "two") for number in range(4)]


def right_letters(items) -> dict[int, str]:
    return {n: LETTERS[[o.right for o in i.question.options].index(True)] for n, i in enumerate(items, 1)}


def test_three_of_each_goal_are_drawn_in_the_order_of_goals_and_a_draw_repeats():
    items = paper(POOL)
    assert [one.goal for one in items] == ["one"] * 3 + ["two"] * 3
    assert items == paper(POOL)
    assert len({tuple(one.name for one in paper(POOL, draw=draw)) for draw in range(8)}) > 1


@pytest.mark.parametrize("draw", range(5))
def test_the_right_option_stands_in_each_place_equally_often(draw):
    assert sorted(places(6, draw)) == [0, 0, 1, 1, 2, 2]
    assert sorted(right_letters(paper(POOL, draw=draw)).values()) == ["a", "a", "b", "b", "c", "c"]


def test_a_full_set_of_right_answers_scores_all_and_sends_nobody_back():
    items = paper(POOL)
    text = result_text(*mark(items, right_letters(items)))
    assert text == "6 of 6 right\n\n3 of 3  one\n3 of 3  two"


def test_a_miss_is_told_with_its_reason_and_its_section_and_what_is_missing_is_named():
    items = paper(POOL)
    wrong = next(letter for letter in "abc" if letter != right_letters(items)[2])
    text = result_text(*mark(items, {2: wrong}))
    assert text.startswith("0 of 6 right\n\n0 of 3  one\n0 of 3  two\n\nto go back to\n")
    assert f"- question 2, your answer {wrong}: " in text and "(notebook 06, section 2)" in text
    assert text.endswith("not answered: 1, 3, 4, 5, 6")
    assert "so it is" not in text  # why the right one is right would give it away


def test_letters_are_read_in_any_case_and_numbers_as_text():
    items = paper(POOL)
    letter = right_letters(items)[1]
    assert mark(items, {"1": f" {letter.upper()} "})[0][0].right


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ({7: "a"}, "there is no question 7: they are numbered from 1 to 6"),
        ({"x": "a"}, "there is no question 'x': they are numbered from 1 to 6"),
        ({-1: "a"}, "there is no question -1: they are numbered from 1 to 6"),
        ({1.5: "a"}, "there is no question 1.5: they are numbered from 1 to 6"),
        ({1: "d"}, "question 1: 'd' is no answer, choose one of a, b, c"),
        ({1: None}, "question 1: None is no answer, choose one of a, b, c"),
        ({1: ["a"]}, "question 1: ['a'] is no answer, choose one of a, b, c"),
        ({"²": "a"}, "there is no question '²': they are numbered from 1 to 6"),
    ],
)
def test_what_cannot_be_read_is_named_and_counts_as_no_answer(answers, says):
    marked, strange = mark(paper(POOL), answers)
    assert strange == [says] and not any(one.letter for one in marked)
    assert f"not read: {says}" in result_text(marked, strange)


def test_the_paper_has_every_question_and_option_and_says_how_to_answer():
    text = paper_text(paper(POOL))
    assert text.startswith("Answer in a cell") and text.count("?") == 6
    assert [line.strip()[:2] for line in text.splitlines() if line.startswith("   ")] == ["a)", "b)", "c)"] * 6
    assert "A &lt; B." in paper_html(paper(POOL)) and "A < B." not in paper_html(paper(POOL))


def test_the_result_s_tables_have_headings_that_are_read_aloud_and_links():
    items = paper(POOL)
    wrong = next(letter for letter in "abc" if letter != right_letters(items)[1])
    page = result_html(*mark(items, {1: wrong, 99: "a"}))
    assert page.count("<table>") == page.count("<caption>") == 2 and 'scope="row"' in page
    assert 'href="06_aggregation.ipynb">notebook 06, section 2</a>' in page
    assert "there is no question 99" in page and "not answered: 2, 3, 4, 5, 6" in page
