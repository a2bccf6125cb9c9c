"""Completions that declare an answer behind ``Answer:``, two of them or none: what ``extract_answer`` is tried on.

Numbers are put in for each draw of the cases: left + first = middle, and middle - second = right.
"""

STEPS = "{left}+{first}={middle}\n{middle}-{second}={right}\n"

COMPLETIONS = (
    "Answer: {right}",
    "{right}",
    STEPS + "Answer: {right}",
    STEPS,
    "",
    "Answer: ",
    "Answer: {right}.",
    "**Answer:** {right}",
    # more numbers behind the line of the answer
    STEPS + "Answer: {right}\nI have checked {second} twice.",
    "Answer: {right}\n" + STEPS,
    # signs, thousands, decimals and fractions
    "{left}-{middle}=-{first}\nAnswer: -{first}",
    "Answer: {thousands},{digits}",
    "Answer: -{thousands},{digits}.5",
    "Answer: 0.{first}",
    "Answer: {left}.{second}0",
    "Answer: {middle}.0",
    "Answer: {first}/{second}",
    # the completion corrects itself
    "{left}+{first}={middle}\nAnswer: {middle}\nNo, one step is missing.\n{middle}-{second}={right}\nAnswer: {right}",
    "Answer: {middle} or {right}\nAnswer: {right}",
    # two candidates
    "Answer: {middle} or {right}",
    "Answer: {right}, {middle}",
    STEPS + "Answer: {right}\nAnswer: {right} or {middle}",
)
