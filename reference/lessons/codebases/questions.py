"""The questions on configs."""

from reference.teaching.question import Question, no, yes

QUESTIONS = {
    "config_name_says": Question(
        "Two configs of two frameworks both say that the estimator is grpo, and nothing more. What do you know of the two runs?",
        (
            no(
                "They train the algorithm of the GRPO paper.",
                "The word chooses an advantage. Clip, KL and divisor come from the defaults of each framework.",
            ),
            yes(
                "The advantage compares completions of one prompt.",
                "The word says this much. What is added to the std, the KL, the clip and the divisor may all differ.",
            ),
            no(
                "They differ in the batch and the learning rate alone.",
                "Every default can differ: the dual clip, the KL and its place, and what the losses are divided by.",
            ),
        ),
    ),
    "config_silent_share": Question(
        "Four configs have eight columns each: advantage, three of the KL, aggregation, three of the clip. How many of the 32 answers "
        "depend on an option of which the file says nothing?",
        (
            no(
                "About five.",
                "There are more. A config names what its author varied, and an author varies a few things.",
            ),
            no("About ten.", "Count again with the picture: the hatched cells are more than half of all."),
            yes(
                "About eighteen.",
                "The picture counts them. So a reader of the file alone has to guess more than half of the answers.",
            ),
        ),
    ),
    "config_inert": Question(
        "The verl script of this lesson is run again with actor_rollout_ref.actor.clip_ratio=0.3 in the place of 0.1. What changes?",
        (
            yes(
                "Nothing.",
                "It is read where clip_ratio_low or clip_ratio_high is null, and both are 0.2 when nothing is said.",
            ),
            no(
                "The ratio is clipped at 0.7 and 1.3.",
                "So the name says. The loss reads clip_ratio_low and clip_ratio_high, which have values of their own.",
            ),
            no(
                "Only the upper bound moves, to 1.3.",
                "The upper bound has an option of its own, which is 0.2 when nothing is said.",
            ),
        ),
    ),
    "config_excerpt": Question(
        "The command line ends with algo.kl_coef=0.0, and the file has algo.kl_coef: 0.05. With which coefficient does this "
        "framework train?",
        (
            no(
                "With 0.0: what is given last counts.",
                "So it should be. But a 0.0 is false in Python, and or goes on to the next value.",
            ),
            no(
                "With 0.01, the default that is given in the call.",
                "The default comes last of the three. The file's value is true, so or stops there.",
            ),
            yes(
                "With 0.05.",
                "The override is 0.0, which or takes for no value. The file's 0.05 comes next.",
            ),
        ),
    ),
}
