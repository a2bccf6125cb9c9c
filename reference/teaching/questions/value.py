"""Questions of notebook 03 what the value head fits."""

from reference.teaching.question import Question, no, yes

QUESTIONS = {
    "g_q_or_v": Question(
        "One completion was sampled and scored. Which of the three numbers at token t can you compute from it, exactly?",
        (
            yes(
                "G, the return.",
                "It is the sum of the rewards that really came. Q and V are averages of G over completions you did not see.",
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
                "What differs between them is exactly what the token changed, and that is the signal.",
            ),
            yes(
                "Nothing.",
                "The value after the token is Q. The mean of G after that token is Q as well, and Q minus Q is 0, "
                "for good tokens and for bad ones.",
            ),
            no(
                "Half of it.",
                "No share survives: with a perfect critic the token's effect is in the baseline already.",
            ),
        ),
    ),
    "blind_critic": Question(
        "The critic is freshly made and says 0 everywhere, lambda is 1. Is the policy gradient biased?",
        (
            no(
                "Yes, wrong values give wrong advantages.",
                "With lambda 1 the critic is only a baseline, and any baseline that has not seen the token leaves the mean.",
            ),
            yes(
                "No, only noisier than it could be.",
                "The advantage is G - 0: plain REINFORCE. Below 1, the critic's errors would enter as if they were rewards.",
            ),
            no(
                "There is no gradient: 0 times anything is 0.",
                "The value is subtracted from the return, not multiplied.",
            ),
        ),
    ),
    "who_was_blamed": Question(
        "good, bad, good: the text passes with one slip. Which lambda gives the bad token a negative advantage?",
        (
            yes(
                "0: it compares the values before and after the token.",
                "V fell from 0.91 to 0.70 at the slip, so it gets -0.21, whatever luck came later.",
            ),
            no(
                "1: it compares with what really came.",
                "The text passed: 1 - 0.91 is positive. One sample praises the slip; only the mean over many is right.",
            ),
            no("Both.", "The sign differs: work out 0.70 - 0.91 and 1 - 0.91."),
        ),
    ),
    "half": Question(
        "You delete the 0.5 of the value loss. The critic is a network of its own with its own Adam. What changes?",
        (
            yes(
                "Nothing but the number that is logged.",
                "The gradient doubles, and Adam divides by its own running size. (eps, and clipping by the norm, aside.)",
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
                "The clipped value 0.2 is farther from 1 than 1.5 is. The larger error wins, and the clamp is flat there.",
            ),
            no("Down to 0.2, into the band.", "The clip does not pull values into the band; it only stops gradients."),
        ),
    ),
    "cut_off": Question(
        "The task says: answer within 96 tokens. A completion is cut off at 96 and scored 0. What is V after its last token?",
        (
            yes(
                "0: here being cut off is an end like any other.",
                "The budget is part of the task, so nothing could have followed. The policy should learn to be done in time.",
            ),
            no(
                "Whatever the critic says: bootstrap.",
                "That fits where the cut is an accident of the sampler. Here it would forgive what the task punishes.",
            ),
            no(
                "The mean reward of the batch.",
                "A state has the value of its own future, not that of other completions.",
            ),
        ),
    ),
    "explained": Question(
        "A dashboard shows explained variance 0.9, gae_lambda is 0.5. What do you know about the critic?",
        (
            no(
                "It predicts the verdicts well.",
                "It predicts its own targets, and at lambda 0.5 they are mostly its own values.",
            ),
            no("It overfits.", "That may be, but the number does not say so: it is about targets it helped to make."),
            yes(
                "Little, until you know what it is measured against.",
                "The target is advantage plus value. Compare with Monte Carlo returns, lambda 1, to learn about the world.",
            ),
        ),
    ),
}
