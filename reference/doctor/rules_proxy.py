"""Rules about a reward that teaches in the place of what is wanted: a judge, a reward model, a price for length."""

from reference.doctor.cause import Cause, Evidence, excess
from reference.doctor.changes import noise, trend
from reference.doctor.log import Log
from reference.doctor.reading import first_part, last_part, points, span, those, together, typical, values
from reference.doctor.rules_kl import KL, kl_name

LONGER = 1.3  # times the length of the beginning
CHEAP = 0.05  # of what the judge's reward has gained


def parted(log: Log) -> tuple[float, float, float, float] | None:
    """(proxy at first, at last, reward at its best, at last) where the two part: the judge's rises while the verifier's has
    fallen from its best, by more than twice the noise of a step and by a tenth."""
    proxies, rewards = points(log, "proxy"), points(log, "reward")
    if len(proxies) < 5 or len(rewards) < 5:
        return None
    before, after = typical(first_part(proxies, 0.1)), typical(last_part(proxies))
    best = max(typical([value for _, value in rewards[i : i + 3]]) for i in range(len(rewards) - 2))
    last = typical(last_part(rewards))
    falls = best - last > max(2 * noise(values(log, "reward")), 0.1 * best)
    rho, chance = trend(values(log, "proxy"))
    return (before, after, best, last) if falls and rho > 0 and chance < 0.01 else None


def words_of(seen: tuple[float, float, float, float]) -> str:
    before, after, best, last = seen
    return (
        f"What teaches rises from {before:.3g} to {after:.3g}, and the verifier's reward is {last:.3g} at the end, "
        f"{best:.3g} at its best"
    )


def size_of(seen: tuple[float, float, float, float]) -> float:
    """The share of the best reward that is lost."""
    return min(0.9, (seen[2] - seen[3]) / seen[2])


def growth(log: Log) -> float:
    """Length at the end over that of the beginning; 1 where there is none."""
    found = points(log, "length")
    before = typical(first_part(found, 0.1))
    return typical(last_part(found)) / before if before > 0 else 1.0


def by_length(log: Log) -> Evidence | None:
    seen, longer = parted(log), growth(log)
    if seen is None or longer <= LONGER:
        return None
    words = f"{words_of(seen)}; completions are {longer:.2g} times as long as at first."
    return Evidence(
        words, ("proxy", "reward", "length", "truncated"), span(points(log, "proxy")), size_of(seen), "bound"
    )


def by_cheap_kl(log: Log) -> Evidence | None:
    """A price that takes less than a twentieth of what the judge pays holds nobody."""
    seen = parted(log)
    rows = together(log, "kl_coef", kl_name(log), "length")
    if seen is None or not rows:
        return None
    paid = typical([coef * abs(kl) * length for _, coef, kl, length in rows[-max(3, len(rows) // 5) :]])
    gained = seen[1] - seen[0]
    if paid > CHEAP * gained:
        return None
    words = (
        f"{words_of(seen)}; the KL costs a completion {paid:.2g} of reward, and the judge has paid {gained:.2g} more than at "
        "first."
    )
    return Evidence(
        words, ("proxy", "reward", kl_name(log), "kl_coef"), span(points(log, "proxy")), size_of(seen), "bound"
    )


def otherwise(log: Log) -> Evidence | None:
    seen = parted(log)
    if seen is None or growth(log) > LONGER or ("kl_coef" in log.scalars and by_cheap_kl(log)):
        return None
    return Evidence(f"{words_of(seen)}.", ("proxy", "reward"), span(points(log, "proxy")), size_of(seen), "bound")


def into_the_budget(log: Log) -> Evidence | None:
    """A quarter of the completions cut off, and several times as many as at first."""
    found = points(log, "truncated")
    if len(found) < 5:
        return None
    before, after = typical(first_part(found, 0.1)), typical(last_part(found))
    if after < 0.25 or after < 3 * before:
        return None
    words = f"{after:.0%} of the completions are cut off at the end, and {before:.0%} at first."
    cut = those(found, lambda share: share > 0.25)
    return Evidence(words, ("truncated", "length", "reward"), span(cut), excess(after, 0.25))


FIRST = (
    "Read twenty completions from before the best step and from the end, side by side (python -m reference faces). Stop at "
    "the step where the verifier's reward was best"
)
CAUSES = (
    Cause(
        "length_gamed", "The judge pays for length, and the policy collects.",
        f"{FIRST}. Take the length out of the judge: pairs of equal length, or a price for length.",
        11, ("length_gamed",), ("proxy", "reward", "length"), by_length, about="proxy",
    ),
    Cause(
        "kl_too_cheap", "The judge can be climbed, and the KL that should hold the policy costs next to nothing.",
        f"{FIRST}. Raise kl_coef until the KL costs a third of what the judge pays.",
        7, ("kl_coef_too_small",), ("proxy", "reward", KL, "kl_coef", "length"), by_cheap_kl, about="kl_coef",
    ),
    Cause(
        "over_optimised", "The judge's reward rises, and what it stands for falls.",
        f"{FIRST}. Then train the judge on completions of the end, or charge a KL.",
        11, (), ("proxy", "reward"), otherwise,
    ),
    Cause(
        "no_ends", "Completions run into the budget: the policy has unlearned to end, or is paid for not ending.",
        "Look whether the EOS token is in the loss, and whether a completion without one can earn a reward.",
        1, (), ("truncated",), into_the_budget,
        apart='In a batch: audit, check "EOS in the loss".',
    ),
)  # fmt: skip
