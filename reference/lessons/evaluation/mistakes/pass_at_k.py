"""What goes wrong when pass@k is estimated from more than k samples."""

from math import comb, prod

from reference.objectives.shapes import InputError
from reference.teaching.bug import bug


def require_enough(num_samples: int, k: int) -> None:
    if k > num_samples:
        raise InputError(f"k is {k}, and there are {num_samples} samples")


def none_right(num_wrong: int, num_samples: int, k: int) -> float:
    """Probability that k of the samples, drawn without putting one back, are all among the wrong ones."""
    require_enough(num_samples, k)
    return comb(num_wrong, k) / comb(num_samples, k)


@bug(
    "drawn with replacement",
    mistake="the k samples are drawn with replacement: the share that is wrong is raised to the power of k",
    symptom="pass@k is too low, most of all where k is near n: with one right sample of four, pass@4 is 0.684 instead of 1",
    wild="verl PR #7240, open: its best@N draws with replacement",
)
def pass_at_k__replacement(num_correct: int, num_samples: int, k: int) -> float:
    require_enough(num_samples, k)
    return 1 - (1 - num_correct / num_samples) ** k


@bug(
    "any of all samples",
    mistake="a problem counts as solved if one of all n samples is right, whatever k is",
    symptom="pass@k is too high, and it rises with the number of samples: models with other n cannot be compared",
    wild="OpenRLHF, by choice: the best of all samples of a problem",
)
def pass_at_k__any(num_correct: int, num_samples: int, k: int) -> float:
    require_enough(num_samples, k)
    return float(num_correct > 0)


@bug(
    "the mean score",
    mistake="k has no effect: the share of right samples is returned",
    symptom="the curve over k is flat",
)
def pass_at_k__mean(num_correct: int, num_samples: int, k: int) -> float:
    require_enough(num_samples, k)
    return num_correct / num_samples


@bug(
    "k times the share",
    mistake="the shares of k draws are added up and cut off at 1, as if no two of them could be right at once",
    symptom="pass@k is too high, and it reaches 1 as soon as k is n over c",
)
def pass_at_k__added(num_correct: int, num_samples: int, k: int) -> float:
    require_enough(num_samples, k)
    return min(1.0, k * num_correct / num_samples)


@bug(
    "all of them right",
    mistake="the probability is that all k samples are right, and not that one of them is",
    symptom="the curve falls with k",
)
def pass_at_k__all(num_correct: int, num_samples: int, k: int) -> float:
    return none_right(num_correct, num_samples, k)


@bug(
    "at least one wrong",
    mistake="right and wrong samples have changed places: it is the probability that at least one of k is wrong",
    symptom="a model that solves nothing has a pass@k of 1",
)
def pass_at_k__one_wrong(num_correct: int, num_samples: int, k: int) -> float:
    return 1 - none_right(num_correct, num_samples, k)


@bug(
    "none of them right",
    mistake="it is the probability that none of the k samples is right: the last step is missing",
    symptom="the curve falls with k, and the better model has the lower one",
)
def pass_at_k__none(num_correct: int, num_samples: int, k: int) -> float:
    return none_right(num_samples - num_correct, num_samples, k)


@bug(
    "exactly one right",
    mistake="it is the probability that exactly one of the k samples is right: two right ones count as a failure",
    symptom="the curve rises and then falls with k",
)
def pass_at_k__exactly_one(num_correct: int, num_samples: int, k: int) -> float:
    require_enough(num_samples, k)
    return num_correct * comb(num_samples - num_correct, k - 1) / comb(num_samples, k)


@bug(
    "one factor too early",
    mistake="the product runs over one number too early: it begins at n - c and ends before n",
    symptom="pass@k is too high, by little for many samples: pass@1 is then above the share of right samples",
)
def pass_at_k__early(num_correct: int, num_samples: int, k: int) -> float:
    require_enough(num_samples, k)
    if num_samples - num_correct < k:
        return 1.0
    return 1 - prod(1 - k / i for i in range(num_samples - num_correct, num_samples))


def too_few_wrong(num_correct: int, num_samples: int, k: int) -> float:
    if num_samples - num_correct < k:
        return 1.0
    return 1 - none_right(num_samples - num_correct, num_samples, k)


@bug(
    "more than was sampled",
    mistake="k above n is no error: where fewer than k samples are wrong it returns 1, even if none is right",
    symptom="with few samples and a large k a model that solves nothing has a perfect score",
    wild="human-eval PR #68, open",
)
def pass_at_k__beyond(num_correct: int, num_samples: int, k: int) -> float:
    return too_few_wrong(num_correct, num_samples, k)


@bug(
    "k lowered to n",
    mistake="k above n is no error: it is lowered to n without a word",
    symptom="a score called pass@64 is a pass@8 where eight samples were drawn",
)
def pass_at_k__lowered(num_correct: int, num_samples: int, k: int) -> float:
    return too_few_wrong(num_correct, num_samples, min(k, num_samples))


@bug(
    "0 beyond n",
    mistake="k above n is no error: such a problem gets 0 and lowers the mean",
    symptom="the curve falls at the largest k, where some problems have fewer samples",
)
def pass_at_k__zero(num_correct: int, num_samples: int, k: int) -> float:
    return 0.0 if k > num_samples else too_few_wrong(num_correct, num_samples, k)
