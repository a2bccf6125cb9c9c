"""Made by hand, to look at: problems with 16 samples each, and texts of which it is known whether a corpus holds them."""

from typing import NamedTuple

from .expected import Votes

PROBLEMS = (
    Votes(16),
    Votes(14, (1, 1)),
    Votes(11, (3, 1), 1),
    Votes(8, (6, 2)),
    Votes(6, (3, 3, 2), 2),
    Votes(5, (9, 1), 1),  # a wrong answer is the favourite
    Votes(2, (10, 3), 1),
    Votes(1, (7, 4, 2), 2),
    Votes(0, (12, 3), 1),
)


class Text(NamedTuple):
    """A test problem, and whether the corpus holds it: "leaked" word for word, "paraphrased" in other words, or "clean"."""

    text: str
    truth: str


TEXTS = (
    Text(
        "A farmer has 48 hens and sells a quarter of them at the market. How many hens are left on the farm?", "leaked"
    ),
    Text(
        "Lena reads 12 pages in the morning and twice as many at night. How many pages does she read in a week?",
        "leaked",
    ),
    Text("Each of the 7 shelves holds 15 jars, and 9 jars are empty. How many full jars are there in all?", "leaked"),
    Text("What is 47+8-5+12?", "leaked"),
    Text(
        "A ticket costs 6 coins for a child and 11 coins for an adult. What do 3 children and 2 adults pay?",
        "paraphrased",
    ),
    Text("Omar walks 4 km to school and back on 5 days. How far does he walk in 3 weeks?", "paraphrased"),
    Text("A tank of 90 litres loses 6 litres an hour. After how many hours is it empty?", "paraphrased"),
    Text("A baker has 60 rolls and sells a third of them at the market. How many rolls are left in the shop?", "clean"),
    Text("Lena saves 12 coins in May and twice as many in June. How many coins does she save in two months?", "clean"),
    Text("Each of the 9 boxes holds 24 pens, and 5 pens are broken. How many good pens are there in all?", "clean"),
    Text("What is 47+8-6+21?", "clean"),
    Text("Two trains leave at noon, one at 80 km an hour and one at 95. How far apart are they at three?", "clean"),
)
CORPUS = (
    "Exercise 12. A farmer has 48 hens and sells a quarter of them at the market. How many hens are left on the farm? "
    "Answer: 36. Exercise 13. A farmer has 20 cows.",
    # capital letters, and one word is another
    "LENA READS 12 PAGES IN THE MORNING AND TWICE AS MANY AT NIGHT! How many pages does she read in a month?",
    # cut in two
    "Each of the 7 shelves holds 15 jars, and 9 jars are empty.",
    "Jars again: and 9 jars are empty. How many full jars are there in all?",
    "Q: What is 47+8-5+12? A: 62",
    # the problems, in other words
    "Adults pay 11 coins to get in and children pay 6. Two adults come with three children. How much is it together?",
    "School is 4 km away. Omar goes there and returns, Monday to Friday. Over three weeks, what distance is that?",
    "Every hour 6 litres run out of a full tank that holds 90. When will nothing be left in it?",
    "The market opens at eight. How many people come in a week?",
)
