r"""Completions that a person has judged, for counting how often an extractor judges otherwise.

The completions are chosen to tell extractors apart. How often one is wrong here is no share of ordinary completions.
``python -m reference.evaluation.judged_answers`` prints how often each does, ``--all`` on which ones.
"""

import sys

from reference.evaluation.extractors import Extractor, available, right

# The completion, the gold answer, and whether a person who reads the completion says: its answer is the gold one.
# Two answers are no answer, a number on the way is none, and a unit or a way of writing changes nothing.
JUDGED: list[tuple[str, str, bool]] = [
    # declared, in the usual ways
    ("72 - 24 = 48, so 48 + 24 = 72.\nAnswer: 72", "72", True),
    ("48 + 24 = 72.\n#### 72", "72", True),
    ("48 + 24 = 72. The answer is 72.", "72", True),
    ("48 + 24 = 72. The final answer is 72", "72", True),
    (r"We get $48 + 24 = \boxed{72}$.", "72", True),
    ("**Answer:** 72", "72", True),
    ("The answer is **72**.", "72", True),
    ("Answer:\n72", "72", True),
    (r"The answer is $\boxed{72}$.", "72", True),
    (r"\boxed{x = 72}", "72", True),
    ("#### 72.", "72", True),
    ("Answer: 48 + 24 = 72", "72", True),
    ("So she sold 72 clips.", "72", True),
    # declared, and something comes behind
    ("The answer is 72. Check: 72 - 24 = 48.", "72", True),
    ("The answer is 72, which is 24 more than 48.", "72", True),
    ("The answer is 72 because 48 + 24 = 72.", "72", True),
    ("#### 72\n\nI used 2 steps.", "72", True),
    (r"\boxed{72}. I checked it in 3 ways.", "72", True),
    ("The answer is 72. Nice...", "72", True),
    # with a unit
    ("Answer: 72 clips", "72", True),
    ("The answer is $72.", "72", True),
    ("#### $72", "72", True),
    ("The answer is 72%.", "72", True),
    ("Answer: 72 m^2", "72", True),
    (r"\boxed{72\text{ clips}}", "72", True),
    ("Answer: 72 euros and 50 cents", "72", False),
    # the same number, written otherwise
    ("The answer is 1,234.", "1234", True),
    ("The answer is 1 234.", "1234", True),
    ("The answer is 1\u202f234.", "1234", True),
    (r"\boxed{1{,}234}", "1234", True),
    ("The answer is 72.0.", "72", True),
    ("The answer is $18.00.", "18", True),
    ("The answer is 1.5e3.", "1500", True),
    ("The answer is \u22123.", "-3", True),
    ("The answer is 1/2.", "0.5", True),
    ("The answer is ½.", "0.5", True),
    (r"\boxed{\frac{1}{2}}", "0.5", True),
    ("The answer is 2 1/2.", "2.5", True),
    (r"The answer is $2\frac{1}{2}$.", "2.5", True),
    ("The answer is seventy-two.", "72", True),
    # another number
    ("The answer is 172.", "72", False),
    ("The answer is -72.", "72", False),
    ("The answer is 7 2.", "72", False),
    ("The answer is 0.72.", "72", False),
    ("The answer is 0.333333.", "1/3", False),
    ("The answer is 123456.", "123457", False),
    (r"\boxed{72\pi}", "72", False),
    ("Answer: 72x", "72", False),
    # two answers, or a new one
    ("The answer is 71 or 72.", "72", False),
    ("Answer: 71, 72", "72", False),
    (r"\boxed{71} or \boxed{72}", "72", False),
    (r"The answer is \boxed{71} or 72.", "71", False),
    ("Answer: 71. Wait, I forgot one. Answer: 72", "72", True),
    (r"So \boxed{71}. No, \boxed{72}.", "72", True),
    ("#### 71\nNo, that is wrong.\n#### 72", "72", True),
    ("The answer is 72. No, it is 71.", "72", False),
    ("The answer is 72. No, it is 71.", "71", True),
    # none
    ("48 + 24 = 72, and now I take away 5", "72", False),
    ("From 75-3", "-3", False),
    ("The answer is not 72.", "72", False),
    ("I start with 72 clips and", "72", False),
    (r"\boxed{} is where I write 72", "72", False),
]


def misjudged(extractor: Extractor) -> list[tuple[str, str, bool]]:
    """Those of ``JUDGED`` on which the extractor and the person disagree."""
    return [(text, gold, is_right) for text, gold, is_right in JUDGED if right(extractor, text, gold) != is_right]


def table() -> str:
    """A line per extractor: right completions that it takes for wrong, wrong ones that it takes for right."""
    total = sum(is_right for _, _, is_right in JUDGED)
    lines = [f"{'':18}  right, judged wrong  wrong, judged right"]
    for name, extractor in available().items():
        wrong = misjudged(extractor)
        lost = sum(is_right for _, _, is_right in wrong)
        lines.append(f"{name:18}  {lost:8} of {total}  {len(wrong) - lost:15} of {len(JUDGED) - total}")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
    for name, extractor in available().items() if "--all" in sys.argv else ():
        print(f"\n{name}: {extractor.words}")
        for text, gold, is_right in misjudged(extractor):
            print(
                f"  {text!r}, gold {gold}, which is {'right' if is_right else 'wrong'}: took {extractor.find(text)!r}"
            )
