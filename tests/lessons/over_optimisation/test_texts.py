"""Completions side by side: the same problem in every file, false sums marked, nothing unescaped."""

import pytest

from reference.lessons.over_optimisation import texts
from reference.lessons.over_optimisation.texts import Sample, as_html, as_text, false_sums, samples_of, show_samples
from reference.objectives.shapes import InputError


def line(question, completions, *, answer="9", cut=False):
    count = len(completions)
    return {
        "question": question, "answer": answer, "completions": completions, "truncated": [cut] * count,
        "tokens": [len(text) for text in completions],
    }  # fmt: skip


FILES = {
    "one": [line("a?", ["Answer: 9", "Answer: 8"]), line("b?", ["Answer: 9", "9"])],
    "two": [line("b?", ["4+5=9\nAnswer: 9", "x"], cut=True), line("a?", ["18+2=26\nAnswer: 26", "y"])],
}


@pytest.fixture
def files(monkeypatch):
    monkeypatch.setattr(texts, "lines_of", FILES.__getitem__)
    return {"before": "one", "after": "two"}


def test_the_same_question_is_found_in_every_file(files):
    before, after = samples_of(0, files=files)
    assert before == Sample("before", "a?", "Answer: 9", True, False, 9)
    assert (after.question, after.text, after.right) == ("a?", "18+2=26\nAnswer: 26", False)
    assert samples_of(0, sample=1, files=files)[0].text == "Answer: 8"


def test_what_was_cut_off_has_no_answer(files):
    after = samples_of(1, files=files)[1]
    assert after.truncated and not after.right and after.verdict == "wrong, cut off, 15 tokens"


def test_what_is_not_there_is_named(files, monkeypatch):
    with pytest.raises(InputError, match="problem is 2, expected 0 to 1"):
        samples_of(2, files=files)
    with pytest.raises(InputError, match="sample is 2, expected 0 to 1: 'before' has 2 samples of a problem"):
        samples_of(0, sample=2, files=files)
    monkeypatch.setattr(texts, "lines_of", {"one": FILES["one"], "two": FILES["two"][:1]}.__getitem__)
    with pytest.raises(InputError, match="'a\\?' is not among the 1 problems of 'after'"):
        samples_of(0, files=files)


def test_false_sums_by_hand():
    assert false_sums("18+2=26\n3-5=-2\nCheck: 10-4=6, 1+1=3") == ["18+2=26", "1+1=3"]
    assert false_sums("no sum, 7 + 1 = 9") == [] and false_sums("-3+5=2") == []


def test_columns_of_text(files):
    assert as_text(samples_of(0, files=files), width=21).splitlines() == [
        "a?",
        "",
        "before                 after",
        "right, 9 tokens        wrong, 18 tokens",
        "",
        "Answer: 9              18+2=26  <- false",
        "                       Answer: 26",
    ]
    assert as_text(samples_of(0, files=files), width=8).splitlines()[-1] == "          26"  # long lines go on below


def test_html_is_escaped_and_has_no_colour_of_its_own():
    page = as_html([Sample("before", "1<2?", "<b>1+1=3</b>", False, False, 5)])
    assert "<u>&lt;b&gt;1+1=3&lt;/b&gt;</u>  &lt;- false" in page and "1&lt;2?" in page and "<b>" not in page
    assert '<th scope="col"' in page and "color:#" not in page and "background:none" in page


def test_the_notebook_gets_html_and_text(files, monkeypatch):
    shown = []
    monkeypatch.setattr(texts, "display", lambda data, raw: shown.append(data))
    show_samples(0, files=files)
    assert shown[0]["text/plain"].startswith("a?") and shown[0]["text/html"].startswith("<table")


def test_recorded_files_are_read():
    """Those of the lesson on evaluation have the same problems."""
    before, after = samples_of(3, files={"before": "base-plain", "after": "grpo-plain"})
    assert before.question == after.question and before.text != after.text
