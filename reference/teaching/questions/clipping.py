"""Questions of notebook 04 clipping."""

from reference.teaching.question import Question, no, yes

QUESTIONS = {
    "clip_first_update": Question(
        "A fresh batch, one optimizer step, then new samples. What does PPO's clip change?",
        (
            yes(
                "Nothing.",
                "Every ratio is 1 when the gradient is taken, so nothing is clipped, however large the step turns out.",
            ),
            no("It limits how far that step can move the policy.", "The step is over before any ratio has left 1."),
            no(
                "It halves the gradient, as the two candidates are equal.",
                "They are equal, value and gradient, so taking either gives the same.",
            ),
        ),
    ),
    "clip_which_corner": Question(
        "A token had advantage -1, and its ratio is now 1.5. Should it have a gradient?",
        (
            no(
                "No, the ratio is outside 0.8 to 1.2.",
                "Outside, but on the wrong side: a bad token has become likelier.",
            ),
            yes(
                "Yes, it must come back down.",
                "It moved against its advantage. Without a gradient it would stay 50 % likelier than it was.",
            ),
            no(
                "Only if clip_high is above 0.5.",
                "The upper bound matters for good tokens; a bad one that rose is outside the clip's business.",
            ),
        ),
    ),
    "clip_max_or_min": Question(
        "The paper has min(A r, A clip(r)). The code has max. Why?",
        (
            yes(
                "The paper maximises an objective, the code minimises a loss.",
                "max(-a, -b) = -min(a, b). Either way the pessimistic candidate wins.",
            ),
            no(
                "It makes no difference which one is taken.", "It does: the optimistic one pushes on what went too far."
            ),
            no("The max is a known bug that everybody copied.", "It is right; the question is asked again every year."),
        ),
    ),
    "clip_trust_region": Question(
        "After eight passes with clip 0.2, can a token's ratio be 3?",
        (
            no(
                "No, PPO keeps all ratios between 0.8 and 1.2.",
                "It keeps no ratio anywhere. It only stops asking for more.",
            ),
            yes(
                "Yes: other tokens share its weights and carry it along, and Adam has momentum.",
                "A token without a gradient of its own still moves. Section 7 shows the ratios of the small model.",
            ),
            no(
                "Only with dual clip.",
                "Dual clip takes a gradient away from far tokens; it does not bring them back either.",
            ),
        ),
    ),
    "clip_rare_tokens": Question(
        "clip_high is 0.2, both tokens are good. One had probability 0.9, the other 0.01. Which is held back by the clip?",
        (
            no("The common one, as it has more probability to gain.", "It cannot reach ratio 1.2: that would be 1.08."),
            yes(
                "The rare one.",
                "It may be pushed to 0.012 and no further; the common one can go to 1. This is DAPO's case for clip-higher.",
            ),
            no(
                "Both the same, ratios know no probabilities.",
                "The bound is the same, but only one of them can reach it.",
            ),
        ),
    ),
    "clip_frac_zero": Question(
        "clip_frac is exactly 0 in every step. What is likely?",
        (
            yes(
                "One optimizer step per batch, or old log-probs that are recomputed each time.",
                "The first is healthy. The second is a bug when there are several steps: the ratio never leaves 1.",
            ),
            no("The clip range is too narrow.", "Then it would be high."),
            no(
                "The learning rate is too high.",
                "Then it would be high from the second inner step on; at the first it is always 0.",
            ),
        ),
    ),
    "clip_gspo_range": Question(
        "You switch from token ratios to GSPO's and keep the clip at 0.2. What happens?",
        (
            no("Completions are clipped more often.", "The mean of many log-ratios is close to 0, so s is close to 1."),
            yes(
                "Practically nothing is clipped any more.",
                "s is a geometric mean over tokens, and the paper's bounds are 0.0003 and 0.0004.",
            ),
            no(
                "The same share of tokens is clipped.",
                "Ups and downs cancel within a completion; single tokens no longer count.",
            ),
        ),
    ),
}
