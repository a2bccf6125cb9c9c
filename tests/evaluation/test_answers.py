"""Which number a text is, and which one a completion declares: examples that a reader can judge, and random ones."""

import re
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reference.evaluation.answers import MOST, boxes, declared_answer, extract_answer, read_number

READ = {
    "72": 72, "-72": -72, "+72": 72, "007": 7, "0": 0, "-0": 0, "72.": 72, "72,": 72, "72;": 72, "72:": 72, "72!": 72, " 72\n": 72, "72.0": 72,
    "\u22123": -3, "\u20103": -3, "\u20113": -3, "\u20123": -3, "\u20133": -3, "\ufe633": -3, "\uff0d3": -3,
    "0.5": "1/2", ".5": "1/2", "-.5": "-1/2", "5.": 5, "3.14159": "314159/100000",
    "1,234": 1234, "1{,}234": 1234, "1,234,567": 1234567, "1,234.5": "2469/2", "12,345": 12345, "100,000": 100000,
    "1 234": 1234, "1\u2009234": 1234, "1\u202f234": 1234, "1\u00a0234": 1234, r"1\,234": 1234, r"1\;234": 1234, r"1\:234": 1234, r"1,\!234": 1234, "1 234 567": 1234567,
    "$18.00": 18, "€18": 18, "£18": 18, "-$5": -5, "$-5": -5, r"\$5": 5, "5 €": 5,
    "72%": 72, "72 %": 72, r"72\%": 72, "0.5%": "1/2",
    "1/2": "1/2", "4/8": "1/2", "-1/2": "-1/2", "8/4": 2, "1 / 2": "1/2", "1,234/2": 617, "1\u20442": "1/2",
    r"\frac{1}{2}": "1/2", r"-\frac{1}{2}": "-1/2", r"\dfrac{1}{2}": "1/2", r"\tfrac{4}{8}": "1/2",
    "½": "1/2", "-½": "-1/2", "¾": "3/4", "⅓": "1/3", "⅞": "7/8", "⅒": "1/10",
    "2 1/2": "5/2", "2½": "5/2", "2 ½": "5/2", r"2\frac{1}{2}": "5/2", r"-2\frac{1}{2}": "-5/2",
    "1.5e3": 1500, "1.5E3": 1500, "2E3": 2000, "1e-3": "1/1000", "1e+2": 100,
    "**72**": 72, "_72_": 72, "\t72\r\n": 72, "$72$": 72, r"\(72\)": 72, r"\[72\]": 72, "`72`": 72, "**72.**": 72, "$1{,}234$.": 1234,
}  # fmt: skip

NOT_READ = [
    "", " ", "-", ".", "$", "seventy-two", "x", "72 apples", "72x", "x = 72", "(72)", "72?", "nan", "inf", "1_000",
    "1,2", "1,23", "0,123", "0 123", "1,2345", "1,234,56", "1,234 567", "7 2", "71, 72", "71 or 72", "1 2345",  # one number, or two?
    "3-5", "1+1", "2*3", "1/2/3", "1/-2", "1.2.3", "--3", "- 3", "1e", "e5", "1e1.5", "10:30",
    "1/0", r"\frac{1}{0}", "2 3/2", "2 2/2", r"\frac{x}{2}", r"\frac{1}{2", "²", "72²", "\u0667\u0662",
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), READ.items())
def test_a_number_is_read_exactly(text, value):
    assert read_number(text) == Fraction(value)


@pytest.mark.parametrize("text", NOT_READ)
def test_what_is_no_number_or_could_be_two_is_not_read(text):
    assert read_number(text) is None


def test_a_percent_sign_is_a_unit_on_both_sides():
    assert read_number("72%") == read_number("72") != read_number("0.72")


def test_numbers_are_compared_with_all_their_digits():
    assert read_number("123456") != read_number("123457")
    assert read_number("0.333333") != read_number("1/3")
    assert read_number("0.1") + read_number("0.2") == read_number("0.3")


# ---- every number, however it is written -----------------------------------------------------------------------------

INTEGERS = st.integers(-(10**12), 10**12)
WAYS = {
    "plain": str, "comma": "{:,}".format, "LaTeX comma": lambda n: f"{n:,}".replace(",", "{,}"),
    "space": lambda n: f"{n:,}".replace(",", " "), "thin space": lambda n: f"{n:,}".replace(",", "\u2009"),
    "narrow space": lambda n: f"{n:,}".replace(",", "\u202f"), "hard space": lambda n: f"{n:,}".replace(",", "\u00a0"),
    "minus": lambda n: str(n).replace("-", "\u2212"), "decimal": "{}.00".format, "full stop": "{}.".format,
    "percent": "{} %".format, "dollars": "${}".format, "bold": "**{}**".format, "math": "${}$".format,
    "exponent": "{}e0".format, "as a fraction": "{}/1".format, "signed": "{:+}".format,
}  # fmt: skip


@given(number=INTEGERS, way=st.sampled_from(sorted(WAYS)))
@settings(max_examples=100)
def test_every_integer_is_read_back_however_it_is_written(number, way):
    assert read_number(WAYS[way](number)) == number


@given(
    top=st.integers(-(10**6), 10**6), bottom=st.integers(1, 10**6), way=st.sampled_from(["{}/{}", "{} / {}", "frac"])
)
@settings(max_examples=50)
def test_every_fraction_is_read_back(top, bottom, way):
    sign = "-" if top < 0 else ""
    text = sign + (rf"\frac{{{abs(top)}}}{{{bottom}}}" if way == "frac" else way.format(abs(top), bottom))
    assert read_number(text) == Fraction(top, bottom)


@given(
    whole=st.integers(0, 10**6), top=st.integers(1, 10**4), more=st.integers(1, 10**4), sign=st.sampled_from(["", "-"])
)
@settings(max_examples=50)
def test_every_mixed_number_is_read_back(whole, top, more, sign):
    value = whole + Fraction(top, top + more)
    for text in (rf"{whole}\frac{{{top}}}{{{top + more}}}", f"{whole} {top}/{top + more}"):
        assert read_number(sign + text) == (-value if sign else value)


@given(number=INTEGERS, places=st.integers(1, 12), power=st.integers(-20, 20))
@settings(max_examples=50)
def test_every_decimal_is_read_back(number, places, power):
    digits = str(abs(number)).zfill(places + 1)
    text = f"{'-' * (number < 0)}{digits[:-places]}.{digits[-places:]}"
    assert read_number(text) == Fraction(number, 10**places)
    assert read_number(f"{text}e{power}") == Fraction(number, 10**places) * Fraction(10) ** power


@given(text=st.text(alphabet="0123456789-.,/ e$%{}\\½\u2212\u202ffrac", max_size=12))
@example("1/2")
@settings(max_examples=200)
def test_what_was_read_is_read_again_as_the_same_number(text):
    value = read_number(text)
    assert value is None or read_number(str(value)) == value


@given(text=st.text(max_size=40) | st.text(alphabet="Answer: is#\\boxed{}12,/.or\n", max_size=40))
@settings(max_examples=200)
def test_any_text_has_one_answer_or_none(text):
    found, value = declared_answer(text), extract_answer(text)
    assert value == (None if found is None else read_number(found))


# ---- what a completion declares --------------------------------------------------------------------------------------

DECLARED = {
    "Answer: 72": 72, "answer: 72": 72, "ANSWER: 72": 72, "Final Answer: 72": 72, "Answer:72": 72, "Answer:\n\n72": 72,
    "The answer is 72.": 72, "the final answer is 72": 72, "The answer is: 72": 72, "My answer is 72": 72,
    "#### 72": 72, "####$72": 72, "##### 72": 72, r"\boxed{72}": 72, r"\boxed {72}": 72, r"$\boxed{\frac{1}{2}}$": "1/2",
    "**Answer:** 72": 72, "**Answer**: **72**": 72, "The answer is **72**.": 72, "The answer is $72$.": 72,
    r"The answer is \(72\).": 72, r"The answer is \boxed{72}.": 72, r"\boxed{\text{72}}": 72, r"\boxed{\mathrm{72}}": 72,
    r"$\mathbf{\boxed{72}}$": 72, r"Answer: \mathbf{72}": 72, "Answer: (72)": 72, "Answer: `72`": 72, "Answer: _72_": 72,
    "The answer is x = 72.": 72, "Answer: 48 + 24 = 72": 72, "Answer: -3 + 75 = 72": 72,
    "Answer: (70.5 + 1.5) * 1 = 72": 72, "Answer: 48 + 24 = 50 + 22 = 72": 72, "Answer: x = $72$": 72, "Answer: x = **72**": 72,
    r"Answer: $2 \times 36 = 72$": 72, r"Answer: $2 \cdot 36 = 72$": 72, r"Answer: $144 \div 2 = 72$": 72, r"\boxed{x = 72}": 72,
    "Answer: 72 clips": 72, "Answer: $18.00": 18, "Answer: 72%": 72, r"\boxed{72\text{ clips}}": 72, r"\boxed{72\mbox{ m}}": 72, r"\boxed{72\ \mathrm{m}}": 72,
    "Answer: 72 m^2": 72, "Answer: 72 m^{2}": 72, "Answer: 72 cm2": 72, r"Answer: 72^\circ": 72, r"Answer: 72^{\circ}": 72, "Answer: 1,234.": 1234,
    "Answer: -3": -3, "Answer: \u22123": -3, "Answer: 2 1/2 cups": "5/2", "Answer: 2½": "5/2", "Answer: 72</answer>": 72,
}  # fmt: skip


@pytest.mark.parametrize(("text", "value"), DECLARED.items())
def test_a_declared_answer_is_found(text, value):
    assert extract_answer(text) == Fraction(value)
    assert extract_answer(f"First 1 + 2 = 3.\n{text}") == Fraction(value)
    assert extract_answer(f"{text}\n\nI did this in 3 steps.") == Fraction(value)


@pytest.mark.parametrize(
    "text",
    [
        "", "72", "So 72.", "x = 72", "The result is 72", "Theanswer is 72", "The answer is", "Answer:", "####", r"\boxed{",
        r"\boxed{72", r"\boxed{}", r"\boxed{x}", "Answer: seventy-two", "The answer is not 72", "The answer is72", "#### Step 3",
        "The answer is in step 3.", "Answer: about 72", "Answer: - 72",  # no number follows the mark
        "Answer: 71 or 72", "Answer: 71, 72", "Answer: 71 and 72", "Answer: 71/72/73", "Answer: 7 2", "Answer: 1,2",
        "Answer: 3-5", r"\boxed{71, 72}", r"\boxed{71} or \boxed{72}", r"$\boxed{71}$, $\boxed{72}$", "Answer: 10:30",
        r"\boxed{71}; \boxed{72}", r"\boxed{71} and \boxed{72}",
        "The answer is 72 because 48 + 24 = 72.", "The answer is 72, 24 more than 48.",  # a second number
        "Answer: 72x", "Answer: 72 + x", r"\boxed{72\pi}", "Answer: 72/x", "Answer: 72 = x", "Answer: 72^x", "Answer: 72?",
        "Answer: 2 \u00d7 36", "Answer: 72 \u00d7 x", "Answer: 72 · x", "Answer: 72 ÷ x", "Answer: ½ = x",
        "Answer: $72$ + x", "Answer: 72%x", "Answer: 72-x", "Answer: 1/0", "Answer: 1e999999999",
    ],
)  # fmt: skip
def test_nothing_or_more_than_one_number_is_no_answer(text):
    assert extract_answer(text) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Answer: 71. Wait. Answer: 72", 72),
        (r"So \boxed{71}. No, \boxed{72}.", 72),
        (r"So \boxed{71}. No, #### 72", 72),
        ("#### 71\nThe answer is 72.", 72),
        (r"The answer is 72, so \boxed{71}", 71),
        ("Answer: 72. The answer is in the first line.", 72),  # declares nothing, so it takes nothing back
        ("Answer: 72. The answer is 71 or 72.", None),  # takes it back
        (r"\boxed{72}, or rather \boxed{none}", None),
        (r"\boxed{71 \boxed{72}}", 72),
        ("Answer: 72\n72 = 60 + 12", 72),  # an equation ends with its line
        ("Answer: 72. 72 - 24 = 48.", 72),  # and with its sentence
        ("The answer is **72.** I used 3 steps.", 72),
        ("Answer: 72 #### Step 3", 72),  # a declaration ends where the next mark is
    ],
)
def test_the_last_declaration_counts(text, value):
    assert extract_answer(text) == value


def test_boxes_are_found_with_their_braces():
    text = r"\boxed{1} {\boxed{\frac{1}{2}}} \} \boxed{a\{b} \boxed{open {3}"
    assert [text[content:end] for _, content, end in boxes(text)] == ["1", r"\frac{1}{2}", r"a\{b"]
    assert [text[start : start + 6] for start, _, _ in boxes(text)] == [r"\boxed"] * 3


# ---- what hostile or broken models write -----------------------------------------------------------------------------


def test_huge_numbers_are_no_numbers_and_take_no_time():
    nines = "9" * MOST
    assert read_number(nines) == 10**MOST - 1 and read_number(nines + "9") is None
    assert read_number(f"1e{MOST}") == 10**MOST and read_number(f"1e{MOST + 1}") is None
    for text in ("1e-1001", "1e999999999", "1e-999999999", "9" * 10_000, "1e" + "9" * 10_000, "1/" + "9" * 10_000):
        assert read_number(text) is None and extract_answer(f"Answer: {text}") is None


LONG = [
    "9",
    "1,",
    ",",
    "{",
    r"\boxed{",
    "Answer: ",
    "Answer: 1 ",
    "1+",
    "1 111",
    r"\frac{1",
    "$",
    "answer is (-",
    " ",
    "\n",
]


@pytest.mark.slow
@pytest.mark.parametrize("piece", LONG)
def test_a_megabyte_of_anything_is_read(piece):
    """A pattern that backtracks would take hours for it: the test would not end."""
    extract_answer(piece * (10**6 // len(piece)))
    extract_answer("Answer: 1" + piece * (10**6 // len(piece)))
    read_number(piece * (10**6 // len(piece)))


@pytest.mark.parametrize("function", [read_number, declared_answer, extract_answer])
@pytest.mark.parametrize("value", [72, None, Fraction(1, 2), b"72"])
def test_what_is_no_text_is_refused(function, value):
    with pytest.raises(TypeError, match=rf"text is {type(value).__name__}, expected a str: pass"):
        function(value)


def test_the_docstring_of_the_rule_names_the_marks_that_it_reads():
    marks = re.search(r"\n\n +(Answer: 72 .*)\n", declared_answer.__doc__)[1].split("      ")
    assert [extract_answer(mark) for mark in marks] == [72] * 6


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("48 + 24 = <<48+24=72>>72\nA: 72", 72),
        ("48 + 24 = 72\n A: $72.00\n\n", 72),
        ("A: 71 or 72", None),
        ("A: 71\nB: 72", None),  # choices
        ("A: 71\nB: 72\nAnswer: 72", 72),
        ("Alice and A: 72", None),
        ("A: 72\n\nQ: And then?", None),
    ],
)
def test_a_line_that_begins_with_a_and_a_colon_states_the_answer_if_it_is_the_last(text, answer):
    assert extract_answer(text) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<think>5?</think>\n<answer>\n72\n</answer>", 72),
        ("<answer>71 or 72</answer>", None),
        ("**Final Answer**\n\n72", 72),
        ("#### Answer\n72 clips", 72),
        ("### Answer\n\nI add both.", None),
        ("My answer\n72", None),
        ("Answer:\n1. First, there are 5.", None),
        ("### Answer\n\n**1.** First, 5\n2. Then, 6", None),
        ("### Answer\n1", 1),
        ("Answer: '72'", 72),
        ('{"answer": 72}', 72),
        ("Answer: [71, 72]", None),
        ("Answer\uff1a 72", 72),
        ("The answer is $1.5 million.", None),
        ("Answer: 3 dozen", None),
        (r"\boxed{\frac12}", Fraction(1, 2)),
        (r"\boxed{\frac123}", None),
    ],
)
def test_ways_to_declare_that_are_in_use(text, answer):
    assert extract_answer(text) == answer


def test_the_search_for_the_last_line_takes_no_time_that_grows_with_the_square():
    assert extract_answer("A:" + " " * 300_000 + "x\nA: 72") == 72  # with the square: minutes
    assert extract_answer("Answer:" + "\n" * 300_000 + "x") is None
