"""What goes wrong in the formula for the distance of the best of n."""

import math

from reference.teaching.bug import bug


@bug(
    "the logarithm alone",
    mistake="only the logarithm is returned: the second part is missing, or it is 0 because a division dropped its remainder",
    symptom="best-of-n looks up to 1 nat further away than it is, and more than twice as far at n = 4: RL seems to be cheaper",
)
def best_of_n_kl__log_only(n: int) -> float:
    return math.log(n)


@bug(
    "the second part added",
    mistake="the two parts are added, and not taken off each other",
    symptom="best-of-n looks up to 2 nats further away than it is",
)
def best_of_n_kl__plus(n: int) -> float:
    return math.log(n) + (n - 1) / n


@bug(
    "another logarithm",
    mistake="the logarithm is not the natural one, so the result is not in nats",
    symptom="best-of-n is put beside RL on an axis of nats, and stands in the wrong place",
    likewise=(
        lambda n: (math.log(n) - (n - 1) / n) / math.log(2),
        lambda n: math.log10(n) - (n - 1) / n,
        lambda n: (math.log(n) - (n - 1) / n) / math.log(10),
    ),
)
def best_of_n_kl__bits(n: int) -> float:
    return math.log2(n) - (n - 1) / n


@bug(
    "one n-th taken off",
    mistake="what is taken off shrinks with n, where it should grow towards 1",
    symptom="the best of 1 has a KL of -1, and at large n the distance is nearly 1 nat too large",
)
def best_of_n_kl__one_nth(n: int) -> float:
    return math.log(n) - 1 / n


@bug(
    "the fraction upside down",
    mistake="the fraction is upside down",
    symptom="the best of 1 divides by 0, and the best of 2 has a negative KL",
)
def best_of_n_kl__upside_down(n: int) -> float:
    return math.log(n) - n / (n - 1)


@bug(
    "the square root",
    mistake="the square root is returned: plots have it on their axis, and it is no KL",
    symptom="a plot that takes the root once more squeezes best-of-n together around 1 nat: small n stands too far out, large n too near",
)
def best_of_n_kl__root(n: int) -> float:
    return math.sqrt(math.log(n) - (n - 1) / n)


@bug(
    "brackets forgotten",
    mistake="brackets are missing or in another place, so the division reaches over too little or too much",
    symptom="the distance is negative, which no KL is",
    likewise=(
        lambda n: (math.log(n) - (n - 1)) / n,
        lambda n: (math.log(n) - n - 1) / n,
        lambda n: math.log(n) - n + 1 / n,
    ),
)
def best_of_n_kl__brackets(n: int) -> float:
    return math.log(n) - n - 1 / n


@bug(
    "the sign turned",
    mistake="the two parts have changed places, so the result has the wrong sign",
    symptom="the distance is negative, which no KL is",
)
def best_of_n_kl__negative(n: int) -> float:
    return (n - 1) / n - math.log(n)


@bug(
    "the limit for many samples",
    mistake="1 is taken off for every n, which is right only in the limit of many samples",
    symptom="the best of 1 and the best of 2 have a negative KL",
)
def best_of_n_kl__limit(n: int) -> float:
    return math.log(n) - 1


@bug(
    "a product of the two parts",
    mistake="the two parts are multiplied, and not taken off each other",
    symptom="best-of-n looks 1.6 times as far away as it is at n = 4, and nearly 1 nat further at large n",
)
def best_of_n_kl__product(n: int) -> float:
    return math.log(n) * (n - 1) / n


@bug(
    "the KL the other way round",
    mistake="it is the KL from the best of n to the policy: the two distributions have changed places",
    symptom="the distance grows nearly as fast as n, and the best of 64 seems to be out of reach",
)
def best_of_n_kl__reverse(n: int) -> float:
    return n - 1 - math.log(n)


@bug(
    "one sample too few or too many",
    mistake="n is counted wrong by one: the chosen sample is one of the n",
    symptom="at n = 2 the distance is 0 or below, or at n = 1 it is above 0; at large n nothing is seen",
    likewise=(lambda n: math.log(n + 1) - n / (n + 1), lambda n: math.log(n - 1) - (n - 1) / n),
)
def best_of_n_kl__off_by_one(n: int) -> float:
    return math.log(n - 1) - (n - 2) / (n - 1)
