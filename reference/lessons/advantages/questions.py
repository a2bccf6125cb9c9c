"""The questions on GRPO's advantages."""

from reference.teaching.question import Question, no, yes

QUESTIONS = {
    "which_repeat": Question(
        "rewards.view(-1, G) is to give a row per prompt. How must the prompts have been repeated for sampling?",
        (
            yes(
                "prompts.repeat_interleave(G): a, a, a, b, b, b.",
                "view cuts the vector into neighbours, so the completions of a prompt must be neighbours.",
            ),
            no(
                "prompts.repeat(G): a, b, a, b, a, b.",
                "Then a row of the view holds different prompts. The shapes are right and nothing complains.",
            ),
            no(
                "Either way; view knows which completions belong together.",
                "view knows nothing about prompts: it counts off G entries at a time.",
            ),
        ),
    ),
    "lone_success": Question(
        "One of 8 completions is right, rewards are 1 and 0. What is its advantage in GRPO, after division by the std?",
        (
            no("0.875", "That is 1 minus the group mean, before the division."),
            no(
                "About 1: that is what dividing by a std is for.",
                "It makes the std of the group 1, not every entry. Seven entries are small, so one must be large.",
            ),
            yes("About 2.5", "(G - 1) / sqrt(G) = 2.47. The rarer the success, the larger."),
            no("About 0.35", "That is the size of the seven failures, which are pushed down by 0.354 each."),
        ),
    ),
    "format_bonus": Question(
        "A right answer pays 1, a tidy format 0.1. In one group all 8 are wrong and 4 of them are tidy. With the group's "
        "std, how large are the advantages?",
        (
            no("About 0.05", "That is without a std: 0.1 or 0, minus the mean of 0.05."),
            yes(
                "About 0.9, as if 4 were right and 4 wrong.",
                "Dividing by the std removes the unit: only the pattern is left, and it is the same.",
            ),
            no("0, since all of them are wrong.", "The group is not dead: its rewards differ by the bonus."),
        ),
    ),
    "what_dead_teaches": Question(
        "All 8 completions of a prompt are right. What do they do to the policy in plain GRPO?",
        (
            no(
                "They make right answers likelier.",
                "Not these: reward minus mean is 0 for each. GRPO learns from differences within a prompt only.",
            ),
            yes(
                "Nothing: all their advantages are 0.",
                "They cost sampling time and a place in the batch. The loss still divides by their number, so the others count for less. With a KL "
                "term in the loss there would be a pull to the reference, and nothing else.",
            ),
            no(
                "They stop the run: 0 / 0.",
                "Without eps they would. With it, 0 / eps is 0.",
            ),
        ),
    ),
    "own_reward": Question(
        "The group mean contains the completion's own reward. What does that do to the expected gradient?",
        (
            no("Nothing, a baseline never changes the mean.", "Only one that does not depend on the sample it judges."),
            yes(
                "It shrinks it by (G - 1) / G.",
                "It does so in every direction alike. A share of 1/G of every reward is subtracted from itself. Leaving oneself out undoes exactly that.",
            ),
            no("It tilts it towards easy prompts.", "The factor is the same for every prompt, so nothing is tilted."),
        ),
    ),
    "std_and_difficulty": Question(
        "Rewards 0 and 1, large groups. Against reward minus mean, which prompts does division by the group std favour?",
        (
            no(
                "The hard ones only, where a lone success stands out.",
                "The std of a coin, sqrt(p (1 - p)), is the same for p and 1 - p.",
            ),
            yes(
                "Those almost never and those almost always solved.",
                "1 / sqrt(p (1 - p)) is smallest at one half. With groups of 8 the factor is at most 1.43, with groups "
                "of 2 and 3 there is none: you are about to compute that.",
            ),
            no("Those solved half of the time.", "They have the largest std, so they are divided by most."),
        ),
    ),
    "only_a_factor": Question(
        "You replace reward minus group mean by leave-one-out, G = 8, and change nothing else. AdamW, no KL. What changes?",
        (
            no("Less variance.", "Signal and noise grow by the same factor, 8/7; their ratio is what it was."),
            yes(
                "Next to nothing.",
                "Every gradient is 8/7 as large, and Adam divides by the size of the gradients. With SGD, or with "
                "another term in the loss, the factor would matter.",
            ),
            no("Right answers count more, wrong ones less.", "Both are multiplied by 8/7."),
        ),
    ),
    "scale_batch": Question(
        'A TRL config says scale_rewards="batch". What is subtracted from a reward, and what is it divided by?',
        (
            no("The batch mean; the batch std.", "The name suggests it, but that would be another algorithm."),
            yes(
                "The group mean; the batch std.",
                "Only the scale is the batch's (LitePPO). REINFORCE++ has the batch mean as well; its baseline form takes the "
                "group mean first and then whitens over the tokens of the batch.",
            ),
            no("The group mean; the group std.", 'That is scale_rewards="group", the default.'),
        ),
    ),
    "advantage_excerpt": Question(
        "samples.prompts is [a, b], and num_generations is 4. What do these lines subtract from the reward of a completion "
        "of a?",
        (
            no(
                "The mean of the four rewards of a.",
                "That is what the author wanted. It needs the order a, a, a, a, b, b, b, b.",
            ),
            yes(
                "A mean of two rewards of a and two of b.",
                "The list [a, b] * 4 is a, b, a, b, ..., so each row of the view holds two of each.",
            ),
            no(
                'The mean of all eight rewards, if cfg.norm is "batch".',
                'With "batch" only the std is that of all rewards; the mean is still that of a row.',
            ),
        ),
    ),
}
