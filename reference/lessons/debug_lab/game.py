"""A game: a fault is chosen blind, and found by its scalars and by a batch.

game = debug_game(seed=0)
game.show()
game.guess("lr_too_high")
"""

from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from reference.algorithms.recipes import RECIPES
from reference.faults import FAULTS
from reference.faults.names import faults_for
from reference.objectives.shapes import InputError
from reference.runs.recorded_runs import RUNS, Rows

from .batches import batch_of
from .recorded import HEALTHY, logs_of, recorded_faults
from .telling import batch_text, scalars_text

ROUNDS, CHOICES = 10, 5


@dataclass(frozen=True)
class Round:
    """One run to be looked at: what is wrong with it, and the names to choose from."""

    answer: str
    recipe: str
    choices: tuple[str, ...]
    number: int = 0  # which of the recorded runs

    def rows(self, *, folder: Path = RUNS) -> Rows:
        """The log of the run."""
        logs = logs_of(self.answer, self.recipe, folder=folder)
        return logs[self.number % len(logs)]

    def healthy(self, *, folder: Path = RUNS) -> Rows:
        """A healthy run beside it: another one, if there is another."""
        logs = logs_of(HEALTHY, self.recipe, folder=folder)
        return logs[(self.number + 1) % len(logs)]


def rounds_of(seed: int, *, count: int = ROUNDS, folder: Path = RUNS) -> list[Round]:
    """So many rounds, none of them twice: of every recorded fault one, and of every recipe a healthy run."""
    rng = Random(f"debug game {seed}")
    faults = recorded_faults(folder=folder)
    if not faults:
        raise InputError("no run with a fault is recorded: python -m reference record lists what can be recorded")
    recipes = sorted({FAULTS[name].recipe for name in faults})
    pool = [(name, FAULTS[name].recipe) for name in faults] + [(HEALTHY, recipe) for recipe in recipes]
    drawn = rng.sample(pool, k=min(count, len(pool)))
    return [
        Round(answer, recipe, choices_of(answer, recipe, faults, rng), rng.randrange(3)) for answer, recipe in drawn
    ]


def choices_of(answer: str, recipe: str, faults: list[str], rng: Random) -> tuple[str, ...]:
    """The answer, ``healthy``, and other faults that the recipe can have, in the order of the alphabet."""
    others = [name for name in faults_for(RECIPES[recipe]) if name in faults and name != answer]
    own = [name for name in others if FAULTS[name].recipe == recipe]
    more = [name for name in others if name not in own]
    wrong = [*rng.sample(own, k=len(own)), *rng.sample(more, k=len(more))]
    taken = {answer, HEALTHY}
    return tuple(sorted([*taken, *wrong[: CHOICES - len(taken)]]))


def verdict(answer: str, guess: str) -> str:
    """What is told after a guess: what it was, where it shows, and the notebook that teaches it."""
    said = "Right." if guess == answer else f"No, it is {answer}."
    if answer == HEALTHY:
        return f"{said} Nothing is wrong with this run."
    fault = FAULTS[answer]
    told = f"{said} {fault.mistake} Where it shows: {fault.symptom} More in notebook {fault.lesson:02}."
    if guess in FAULTS and guess != answer:
        told += f" Of {guess} you would see this: {FAULTS[guess].symptom}"
    return told


@dataclass
class Game:
    """Ten rounds. ``show`` prints the run of the round, ``batch`` a batch of it, ``guess`` ends the round."""

    rounds: list[Round]
    folder: Path = RUNS
    guesses: list[str] = field(default_factory=list)

    @property
    def round(self) -> Round | None:
        """The round that is played now; None after the last one."""
        return self.rounds[len(self.guesses)] if len(self.guesses) < len(self.rounds) else None

    def page(self) -> str:
        """The scalars of this round's run beside those of a healthy one, and the names to choose from."""
        now = self.round
        if now is None:
            return self.score()
        head = (
            f"Round {len(self.guesses) + 1} of {len(self.rounds)}: a run of {now.recipe}. Each second line is healthy."
        )
        text = scalars_text(now.rows(folder=self.folder), now.healthy(folder=self.folder))
        return f"{head}\n\n{text}\nOne of these: {', '.join(now.choices)}"

    def batch_page(self, *, step: int = 3) -> str:
        """A batch of a short run with the same fault."""
        now = self.round
        if now is None:
            return self.score()
        return batch_text(batch_of(now.recipe, None if now.answer == HEALTHY else now.answer, step=step))

    def told(self, name: str) -> str:
        """End the round with a guess. What was wrong, in words; a name that is not to choose from ends no round."""
        now = self.round
        if now is None:
            return self.score()
        if name not in now.choices:
            return f"{name!r} is not among the names of this round: {', '.join(now.choices)}"
        self.guesses.append(name)
        return f"{verdict(now.answer, name)}\n{self.score()}"

    def show(self) -> None:
        print(self.page())

    def batch(self, *, step: int = 3) -> None:
        print(self.batch_page(step=step))

    def guess(self, name: str) -> None:
        print(self.told(name))

    def score(self) -> str:
        """How many were found so far; after the last round also which ones were missed, and where to go back to."""
        played = list(zip(self.rounds, self.guesses, strict=False))
        missed = sorted({one.answer for one, guess in played if one.answer != guess})
        said = f"{sum(one.answer == guess for one, guess in played)} of {len(played)} found."
        if self.round is None:
            places = [f"{name} (notebook {FAULTS[name].lesson:02})" if name in FAULTS else name for name in missed]
            back = f" Missed: {', '.join(places)}." if places else ""
            said += f" The game is over.{back}"
        return said


def debug_game(seed: int = 0, *, rounds: int = ROUNDS, folder: Path = RUNS) -> Game:
    """A new game. Another seed draws other runs, in another order."""
    return Game(rounds_of(seed, count=rounds, folder=folder), folder)
