"""The questions on what the value head fits."""

from reference.teaching.question import Question, no, yes

QUESTIONS = {
    "g_q_or_v": Question(
        "One completion was sampled and scored. Which of the three numbers at token t can you compute from it, exactly?",
        (
            yes(
                "G, the return.",
                "It is the sum of the rewards that came. Q and V are averages of G over completions that you did not see.",
            ),
            no(
                "Q, the value of the token.",
                "Q averages over everything that could follow the token. You saw one sequel.",
            ),
            no("V, the value of the state.", "V also averages over the tokens that could have stood here."),
        ),
    ),
    "late_reader": Question(
        "The only reward is the verdict at the end, and the critic is perfect. By mistake its value is read after the token "
        "instead of before it. What is left of a token's advantage, averaged over what may follow it?",
        (
            no(
                "The same: neighbouring states have nearly the same value.",
                "The difference between neighbouring states is what the token changed. That difference is the signal.",
            ),
            yes(
                "Nothing.",
                "The value after the token is Q. The mean of G after that token is Q as well, and Q minus Q is 0, "
                "for good tokens and for bad ones.",
            ),
            no(
                "Half of it.",
                "No share is left: with a perfect critic, the whole effect of the token is in the baseline.",
            ),
        ),
    ),
    "blind_critic": Question(
        "The critic is new and says 0 everywhere, and λ is 1. Is the policy gradient biased?",
        (
            no(
                "Yes, wrong values give wrong advantages.",
                "With λ = 1 the critic is only a baseline. A baseline that has not seen the token does not change the mean.",
            ),
            yes(
                "No, it is only noisier than it could be.",
                "The advantage is G - 0, as in REINFORCE. Below 1, the critic's errors enter as if they were rewards.",
            ),
            no(
                "There is no gradient: 0 times anything is 0.",
                "The value is subtracted from the return, not multiplied.",
            ),
        ),
    ),
    "who_was_blamed": Question(
        "The text good, bad, good passes with one bad token. Which λ gives the bad token a negative advantage?",
        (
            yes(
                "0, which compares V before and after it.",
                "V fell from 0.91 to 0.70 at the bad token. So its advantage is -0.21, whatever came later.",
            ),
            no(
                "1, which compares V with the return that really came.",
                "The text passed: 1 - 0.91 is positive. In this one sample the bad token gets a positive advantage; the mean "
                "over many samples is negative.",
            ),
            no("Both.", "The sign differs: work out 0.70 - 0.91 and 1 - 0.91."),
        ),
    ),
    "half": Question(
        "You delete the 0.5 of the value loss. The critic is a network of its own with its own Adam. What changes?",
        (
            yes(
                "The number that is logged, and no step.",
                "The gradient doubles, and Adam divides by its own running size. (eps, and clipping by the norm, do see it.)",
            ),
            no(
                "The critic learns twice as fast.",
                "That would be SGD. Adam's step does not depend on a constant factor of the gradient.",
            ),
            no(
                "The policy's gradient is disturbed.",
                "Only on a shared trunk, where both gradients are added before the optimizer sees them.",
            ),
        ),
    ),
    "overshoot": Question(
        "Value clip 0.2. A value was 0 before the update and its return is 1. Earlier steps have carried it to 1.5. Where "
        "does the clipped loss push it?",
        (
            no(
                "Down, back to 1.",
                "The plain squared error would. Compare the two errors: 0.5 now, 0.8 for the clipped value.",
            ),
            yes(
                "Nowhere, the gradient is 0.",
                "The clipped value 0.2 is farther from 1 than 1.5 is. The larger error counts, and the clamp is flat there.",
            ),
            no(
                "Down to 0.2, back into the band.",
                "The clip does not pull values into the band. It only stops gradients.",
            ),
        ),
    ),
    "cut_off": Question(
        "The task says: answer within 96 tokens. A completion is cut off at 96 and scored 0. What is V after its last token?",
        (
            yes(
                "0, since being cut off is an end here.",
                "The budget is part of the task, so nothing could have followed. The policy should learn to be done in time.",
            ),
            no(
                "Whatever the critic says about that state: bootstrap.",
                "That fits where the sampler stopped for reasons of its own. Here the task counts a late answer as wrong.",
            ),
            no(
                "The mean reward of the batch.",
                "A state has the value of its own future, not that of other completions.",
            ),
        ),
    ),
    "explained": Question(
        "A dashboard shows explained variance 0.9, and gae_lambda is 0.5. What do you know about the critic?",
        (
            no(
                "It predicts the verdicts well, since 0.9 is close to 1.",
                "It predicts its own targets, and at λ = 0.5 they are mostly its own values.",
            ),
            no(
                "It overfits.",
                "That may be, but the number does not say so: it is about targets that the critic helped to make.",
            ),
            yes(
                "Little, until you know its targets.",
                "The target is advantage plus value. Compare the values with Monte Carlo returns (λ = 1) to learn about the "
                "verdicts.",
            ),
        ),
    ),
    "which_line_is_wrong": Question(
        "Which line makes this critic fit the wrong number?",
        (
            no(
                "The line of values: it reads V one place too early.",
                "The hidden state of the last prompt token predicts the first completion token. So its value comes before it. "
                "(TRL #44 was about a value read one place earlier. Such a V is out of date, but it has not seen the token.)",
            ),
            no(
                "The line of next_V: V after the last token must come from the critic.",
                "0 is a choice: it takes every end for an end of the task.",
            ),
            yes(
                "The line of returns: it makes the target too late.",
                "The line before gave the advantages the mean 0 and the standard deviation 1. With V added they are no return. "
                "The target has to be made before the whitening.",
            ),
        ),
    ),
}
