"""The questions on clipping."""

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
                "It halves the gradient, as the two losses are equal.",
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
                "The upper bound matters for good tokens. A bad token that rose is never clipped, wherever the bound is.",
            ),
        ),
    ),
    "clip_max_or_min": Question(
        "The paper has min(A r, A clip(r)). The code has max. Why?",
        (
            yes(
                "The paper maximises an objective, the code minimises a loss.",
                "max(-a, -b) = -min(a, b). Either way the larger loss wins.",
            ),
            no("It makes no difference which one is taken.", "It does: the smaller loss pushes on what went too far."),
            no("The max is a known bug that everybody copied.", "It is right; the question is asked again every year."),
        ),
    ),
    "clip_trust_region": Question(
        "After eight passes with clip 0.2, can a token's ratio be 3?",
        (
            no(
                "No, PPO keeps all ratios between 0.8 and 1.2.",
                "It keeps no ratio anywhere. It only takes the gradient away from tokens that are outside.",
            ),
            yes(
                "Yes, if other tokens move it.",
                "Tokens share weights, and Adam has momentum, so a token without a gradient of its own still moves. The next "
                "cells show it on the small model.",
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
                "It loses its gradient at 0.012, the common one keeps it up to 1. This is DAPO's case for clip-higher.",
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
                "One step per batch, or old log-probs that are not old.",
                "The first is healthy. The second is a bug when there are several steps: if the old log-probs are computed "
                "anew at each step, the ratio never leaves 1.",
            ),
            no(
                "The clip range is too narrow, so that no token can leave it.",
                "With narrow bounds more tokens are outside them.",
            ),
            no(
                "The learning rate is too high, so tokens jump past the bounds.",
                "Then it would be high from the second inner step on; at the first it is always 0.",
            ),
        ),
    ),
    "clip_gspo_range": Question(
        "You switch from token ratios to GSPO's and keep the clip at 0.2. What happens?",
        (
            no(
                "Completions are clipped more often.",
                "The mean of many log-ratios is close to 0, so the ratio of a completion is close to 1.",
            ),
            yes(
                "Practically nothing is clipped any more.",
                "The ratio is a geometric mean over tokens, and stays close to 1. The paper's bounds are 0.0003 and 0.0004 away.",
            ),
            no(
                "The same share of tokens is clipped, as the bounds are the same.",
                "Ups and downs cancel within a completion; single tokens no longer count.",
            ),
        ),
    ),
    "clip_excerpt": Question(
        "cfg.epochs is 1, and each rollout is split into four minibatches with a step each. What does this loss clip?",
        (
            no(
                "All tokens that have moved too far since they were sampled.",
                "It cannot see them: with one epoch, old_logp is the present log-prob, whatever happened before.",
            ),
            yes(
                "Nothing: every ratio is 1.",
                "logp.detach() is equal to logp. The second to fourth minibatch were sampled by an older policy, so their "
                "ratios are not 1, but nobody computes them. clip_frac is 0 all the time.",
            ),
            no(
                "The tokens of the last three minibatches, since the first has ratio 1.",
                "That would be right with batch.old_logp, the log-probs from the time of sampling.",
            ),
        ),
    ),
}
