"""Formulas, each with the MathML that stands for it by hand."""

import re

import pytest

from website.mathml import mathml


def shape(latex: str) -> str:
    """The elements and their content, without attributes and without spaces."""
    inner = re.sub(r"<(\w+)[^>]*>", r"<\1>", mathml(latex).removeprefix("<math>").removesuffix("</math>"))
    return inner.replace("<mspace></mspace>", "").removeprefix("<mrow>").removesuffix("</mrow>")


@pytest.mark.parametrize(
    ("latex", "expected"),
    [
        ("1+0.5", "<mn>1</mn><mo>+</mo><mn>0.5</mn>"),
        ("k_1", "<msub><mi>k</mi><mn>1</mn></msub>"),
        ("d^{ab}", "<msup><mi>d</mi><mrow><mi>a</mi><mi>b</mi></mrow></msup>"),
        ("V_t^2", "<msubsup><mi>V</mi><mi>t</mi><mn>2</mn></msubsup>"),
        (r"\frac1G", "<mfrac><mn>1</mn><mi>G</mi></mfrac>"),
        (r"\frac12", "<mfrac><mn>1</mn><mn>2</mn></mfrac>"),
        (r"\sqrt G", "<msqrt><mi>G</mi></msqrt>"),
        (r"\sum_y", "<munder><mo>∑</mo><mi>y</mi></munder>"),
        (r"\mathrm{KL}", "<mi>KL</mi>"),
        (r"\text{a\_b < c}", "<mtext>a_b\xa0&lt;\xa0c</mtext>"),
        (r"\left(x\right)^2", "<msup><mrow><mo>(</mo><mrow><mi>x</mi></mrow><mo>)</mo></mrow><mn>2</mn></msup>"),
        (r"\Big[x", "<mo>[</mo><mi>x</mi>"),
    ],
)
def test_a_formula_is_drawn(latex, expected):
    assert shape(latex) == expected


def test_a_minus_at_the_start_or_after_an_equals_sign_belongs_to_what_follows():
    assert mathml("-x").count('form="prefix"') == 1
    assert mathml("y=-x").count('form="prefix"') == 1
    assert mathml("y-x").count('form="prefix"') == 0


def test_a_function_name_stands_apart_from_letters_and_not_from_brackets():
    assert mathml(r"\beta\log p").count("mspace") == 4  # one before and one behind; each has two tags
    assert mathml(r"\log(p)").count("mspace") == 0


def test_lines_are_rows_and_ampersands_are_columns():
    assert shape(r"\begin{aligned}a&=b\\[4pt]&=c\end{aligned}") == (
        "<mtable><mtr><mtd><mrow><mi>a</mi></mrow></mtd><mtd><mrow><mo>=</mo><mi>b</mi></mrow></mtd></mtr>"
        "<mtr><mtd><mrow></mrow></mtd><mtd><mrow><mo>=</mo><mi>c</mi></mrow></mtd></mtr></mtable>"
    )


@pytest.mark.parametrize("latex", [r"\unheard{x}", r"\frac1", r"{x", r"x}", r"\left(x"])
def test_what_cannot_be_drawn_is_named(latex):
    with pytest.raises(ValueError, match="cannot be drawn") as refused:
        mathml(latex)
    assert repr(latex) in str(refused.value)
