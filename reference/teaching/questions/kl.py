"""Questions of notebook 02 three things called KL."""

from reference.teaching.question import Question, no, yes

QUESTIONS = {
    "kl_negative": Question(
        "Your log says kl = -0.004. Which reading is right?",
        (
            no(
                "There is a bug: a KL is never negative.",
                "A KL is not. What is logged is a mean of log-ratios over sampled tokens, and such a mean can be.",
            ),
            yes(
                "It may be chance: a mean of k1 over finitely many tokens can be negative.",
                "Its expectation cannot, if the tokens come from the policy. If it stays below 0 for many steps, they do not.",
            ),
            no(
                "The policy has come closer to the reference than the reference itself.",
                "Nothing is closer than equal, and equal is 0.",
            ),
        ),
    ),
    "kl_which_side": Question(
        "The reference gives a word 20 %, the policy has learned to say it once in 10,000. Which KL notices more?",
        (
            no(
                "KL(policy ‖ reference)",
                "It asks what the policy says and whether the reference agrees. A word that the policy does not say hardly "
                "enters.",
            ),
            yes(
                "KL(reference ‖ policy)",
                "Here the reference asks, and it weights the word with its own 20 %: 0.2 * log(0.2 / 0.0001) = 1.52 nats.",
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
                "The derivative of (logp - ref_logp) is that of logp. Over the policy's own samples that averages to 0, "
                "whatever the reference is.",
            ),
            no(
                "It pushes the policy away from the reference.",
                "Not on average. On a single batch it moves the policy, but not in a direction that knows the reference.",
            ),
        ),
    ),
    "kl_approx": Question(
        "approx_kl is 0.0000 at every step of a run. What has happened?",
        (
            no(
                "The policy does not move.",
                "Look at the reward: it may well move. approx_kl compares with the policy that took the samples.",
            ),
            yes(
                "There is one optimizer step per rollout.",
                "It is measured before the step, where new and old policy are the same. It says nothing about the reference.",
            ),
            no(
                "The KL coefficient is so large that the policy stays at the reference.",
                "approx_kl does not know the reference at all.",
            ),
        ),
    ),
    "kl_reward_k3": Question(
        "Near the reference, k3 has less variance than k1. Should it also replace k1 in the reward?",
        (
            no(
                "Yes: same mean, less noise.",
                "Same mean, but a policy gradient needs more than that: the charge of each token has to be the log-ratio.",
            ),
            yes(
                "No: in the reward only k1 has the gradient of the KL.",
                "k3 charges a token dearly if the reference likes it much more than the policy does, so the policy unlearns "
                "just the words that it should be reminded of.",
            ),
            no("It makes no difference.", "Followed alone (below), the one falls to 0 and the other climbs."),
        ),
    ),
    "kl_clamp": Question(
        "verl clamps k3 at 10. A token's log-ratio is -3, so k3 would be 16. What does the clamp do to this token?",
        (
            no(
                "It limits its pull to that of k3 = 10.",
                "That would be clipping the gradient. Clamping the value sets it to 0.",
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
            no("At the coefficient: it is too small.", "However large the drift, the mean of k1 is not below 0."),
            yes(
                "At the sampler: top-k, top-p, another temperature, an older policy.",
                "If the tokens are not drawn from the distribution that is scored, the mean of k1 is not a KL, and can have "
                "either sign.",
            ),
            no("At the reference: it has been updated.", "An updated reference changes the KL, not its sign."),
        ),
    ),
}
