"""The questions on the three things called KL."""

from reference.teaching.question import Question, no, yes

QUESTIONS = {
    "kl_negative": Question(
        "A log says kl = -0.004. Which reading is right?",
        (
            no(
                "There is a bug: a KL is never negative.",
                "A KL is not. What is logged is a mean of log-ratios over sampled tokens, and such a mean can be negative.",
            ),
            yes(
                "It may be chance: a mean of k1 can be negative.",
                "Over very many tokens of the policy the mean cannot be. If it stays below 0 for many steps, the tokens do not "
                "come from the policy.",
            ),
            no(
                "The policy has come closer to the reference than the reference itself.",
                "Nothing is closer than equal, and equal is 0.",
            ),
        ),
    ),
    "kl_proof": Question(
        "The tokens now come from another sampler than the policy. Which step of the proof fails?",
        (
            no(
                "Step 1: k3 can be negative at a word that the policy would not say.",
                "k3 is at least 0 at every word, whoever says it.",
            ),
            yes(
                "Step 2: the mean of k3 is no longer the KL.",
                "ref / policy - 1 has the mean 0 over samples of the policy only. Section 8 shows what k1 gives then.",
            ),
            no(
                "Step 3: k3 can be 0 although the policies differ.",
                "k3 is 0 only where ref / policy is 1, and the sampler does not occur in it.",
            ),
        ),
    ),
    "kl_which_side": Question(
        "The reference gives a word 20 %, the policy has learned to say it once in 10,000. Which KL is larger for it?",
        (
            no(
                "KL(policy ‖ reference)",
                "Here each word is weighted with the policy's probability, 0.0001 for this word. So the word hardly counts.",
            ),
            yes(
                "KL(reference ‖ policy)",
                "Here the word is weighted with the reference's 20 %: 0.2 * log(0.2 / 0.0001) = 1.52 nats.",
            ),
            no("Both alike: it is one distance.", "KL is not symmetric. The first argument sets the weights."),
        ),
    ),
    "kl_k1_in_loss": Question(
        "You add 0.1 * (logp - ref_logp) to the loss, on tokens that the policy sampled. What does it do on average?",
        (
            no(
                "It pulls the policy towards the reference.",
                "Its value is the KL. Its gradient is that of logp alone: the reference is a constant and drops out.",
            ),
            yes(
                "Nothing.",
                "The gradient of (logp - ref_logp) is that of logp. Over the policy's own samples that averages to 0, "
                "whatever the reference is.",
            ),
            no(
                "It pushes the policy away from the reference.",
                "Not on average. On a single batch it moves the policy, but the direction does not depend on the reference.",
            ),
        ),
    ),
    "kl_approx": Question(
        "approx_kl is 0.0000 at every step of a run. What has happened?",
        (
            no(
                "The policy does not move.",
                "The policy may well move: look at the reward. approx_kl compares it with the policy that took the samples.",
            ),
            yes(
                "There is one optimizer step per rollout.",
                "approx_kl is measured before the step, where new and old policy are the same. The reference plays no part.",
            ),
            no(
                "The KL coefficient is so large that the policy stays at the reference.",
                "The reference does not occur in approx_kl at all.",
            ),
        ),
    ),
    "kl_reward_k3": Question(
        "Near the reference, k3 has less variance than k1. Should it also replace k1 in the reward?",
        (
            no(
                "Yes: it has the same mean and less noise, so the gradient is better.",
                "The mean is the same. But the gradient also depends on how the charge is spread over the tokens.",
            ),
            yes(
                "No: in the reward only k1 has the right gradient.",
                "k3 is large for a token that the reference likes much more than the policy does. So the policy unlearns the "
                "very words that the KL should bring back.",
            ),
            no(
                "It makes no difference: both have the KL as their mean.",
                "The next table shows both gradients. They differ in the sign for word C.",
            ),
        ),
    ),
    "kl_clamp": Question(
        "verl clamps k3 at 10. A token's log-ratio is -3, so k3 would be 16. What does the clamp do to this token?",
        (
            no(
                "It limits its pull to that of k3 = 10.",
                "That would be clipping the gradient. Clamping the value sets the gradient to 0.",
            ),
            yes(
                "It switches the pull off.",
                "A constant has no gradient. Just below the clamp the pull was at its strongest.",
            ),
            no(
                "Nothing that matters, 10 nats are never reached.",
                "For k3 they are reached where ref / policy is 13.6.",
            ),
        ),
    ),
    "kl_always_negative": Question(
        "kl (k1) has been about -0.3 for a hundred steps. Where do you look first?",
        (
            no(
                "At the coefficient: it is too small.",
                "However far the policy has moved, the mean of k1 over its own samples is not below 0.",
            ),
            yes(
                "At the sampler: top-k, top-p, another temperature, an older policy.",
                "If the tokens are not drawn from the distribution that is scored, the mean of k1 is not a KL, and can have "
                "either sign.",
            ),
            no("At the reference: it has been updated.", "An updated reference changes the KL, not its sign."),
        ),
    ),
    "kl_excerpt": Question(
        "What is true of the KL in these lines?",
        (
            no(
                "The ratio gives the term the gradient of KL(policy ‖ reference), on samples of an older policy too.",
                "The ratio is detached. It weights the samples, and adds no gradient: k3 alone is differentiated.",
            ),
            no(
                'metrics["kl"] shows how far the policy is from the reference, so it should rise slowly.',
                "It compares the old policy with the new one. The reference does not occur in it.",
            ),
            yes(
                'The loss descends the forward KL, and metrics["kl"] is another KL.',
                "k3 with a detached ratio has the gradient of KL(ref ‖ policy). The metric is k1 of old against new.",
            ),
            no(
                "A token far below the reference gets the strongest pull, because k3 grows fastest there.",
                "The value is cut at kl_cap. Above it there is no gradient at all.",
            ),
        ),
    ),
}
