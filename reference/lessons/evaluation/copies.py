"""Texts and corpora in which they stand or do not: what the exercise ``contaminated`` is tried on.

Each is a text, the documents, n and the threshold. Names and numbers are put in for each draw of the cases.
"""

STORY = "{name} has {a} {goods} and gives {b} of them "
TRAIN = "The train leaves at {b} and stops twice on the way."

COPIES: tuple[tuple[str, tuple[str, ...], int, float], ...] = (
    ("{name} has {a} {goods}.", ("{name} has {a} {goods}.",), 2, 0.5),
    ("{name} has {a} {goods}.", (TRAIN,), 2, 0.5),
    # the same words in another order
    ("{goods} {a} has {name}", ("{name} has {a} {goods}",), 2, 0.5),
    # written otherwise: capital letters, punctuation
    ("How Many {goods} Does {name} Have", ("how many {goods} does {name} have",), 3, 0.5),
    (
        "{name} buys {goods}, pens and paper; how much is that?",
        ("{name} buys {goods} pens and paper how much is that",),
        3,
        0.8,
    ),
    # another sum of the same numbers
    ("Compute {a}+{b}-3", ("Compute {a}-{b}+3",), 2, 0.5),
    # one word is another: seven of eight runs are shared
    (STORY + "away", (STORY + "back",), 3, 0.5),
    (STORY + "away", (STORY + "back",), 3, 1.0),
    # two runs are shared, which hold six of the ten words
    (STORY + "away", ("{name} has {a} pens", "two of {b} of them"), 3, 0.5),
    # a short text in a long document, and the other way round
    ("{name} has {a} {goods}.", ("Exercises for week two. {name} has {a} {goods}. " + TRAIN,), 2, 0.5),
    ("{name} has {a} {goods}. " + TRAIN, ("{name} has {a} {goods}.",), 2, 0.5),
    # two of four runs are shared: exactly the threshold
    ("{name} has {a} {goods} today", ("{name} has {a} stones",), 2, 0.5),
    # three of four runs are shared. The last run decides: it is one of them, or it is the one that is not
    ("{name} has {a} {goods} today", ("he has {a} {goods} today",), 2, 0.7),
    ("{name} has {a} {goods} today", ("{name} has {a} {goods} again",), 2, 0.8),
    # fewer words than n
    ("What is {a}+{b}?", ("Question: What is {a}+{b}? Answer:",), 8, 0.5),
    ("What is {a}+{b}?", ("What is {b}-{a}?",), 8, 0.5),
    ("{name} sings.", (TRAIN,), 8, 0.5),
    # two documents: the text stands across their border, or each has a part of it
    ("{name} has {a} {goods}", ("Today {name} has", "{a} {goods} for sale"), 3, 0.5),
    ("{name} has {a} {goods}.", (TRAIN, "{name} has {a} {goods}."), 2, 0.8),
    (
        "{name} has {a} {goods} and gives {b} away",
        (TRAIN, "{name} has {a} {goods} and", "and gives {b} away"),
        2,
        0.8,
    ),
)
NAMES, GOODS = ("Anna", "Ben", "Carla", "David", "Eva"), ("apples", "books", "stamps", "coins", "tickets")
