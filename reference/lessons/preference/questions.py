"""The questions on DPO and beta."""

from reference.teaching.question import Question, no, yes

QUESTIONS = {
    "dpo_first_loss": Question(
        "A DPO log begins with a loss of 0.693 and an accuracy of 0. Is something broken?",
        (
            no(
                "Yes: an accuracy of 0 says that the policy ranks every pair the wrong way round.",
                "The margin is exactly 0 in every pair. A pair counts as won only if its margin is above 0.",
            ),
            yes(
                "No: every margin is still 0, and -log sigmoid(0) is ln 2.",
                "Policy and reference are the same at the start, so this holds for any model, any pairs and any beta. If "
                "the first loss is not 0.693, look for dropout, for another precision, or for another reference.",
            ),
            no("It means that the learning rate is 0.", "This is the loss before the first step."),
        ),
    ),
    "dpo_no_ratio": Question(
        "Some other model wrote DPO's pairs, long ago. PPO would need importance ratios. Why does DPO not need them?",
        (
            no(
                "It does; most implementations leave them out, and accept a bias.",
                "There is no expectation under the policy that a ratio could correct.",
            ),
            no(
                "It has them: the log-ratio to the reference is the importance ratio.",
                "The log-ratio is part of the loss, as a reward. No sample is weighted with it.",
            ),
            yes(
                "Its loss is a fixed function of fixed data, as a classifier's is.",
                "No expectation under the policy is estimated. This has a price: DPO cannot teach what the data do not contain.",
            ),
        ),
    ),
    "dpo_beta_budget": Question(
        "Two runs, five small steps of plain SGD from the reference, beta 0.1 and beta 1. Whose margin is larger?",
        (
            yes("That of beta 1, about ten times.", "At margin 0 the gradient is beta / 2."),
            no(
                "That of beta 0.1, about ten times.",
                "The smaller beta pushes less: the gradient of each log-prob is beta / 2.",
            ),
            no(
                "They are equal: same pair, same learning rate.",
                "SGD's steps are as large as the gradient, and beta is a factor of the gradient.",
            ),
        ),
    ),
    "dpo_beta_rest": Question(
        "Now both train until nothing moves. Four raters of five prefer chosen. Whose margin is larger?",
        (
            no("That of beta 1.", "It was ahead at first. But it also comes to rest first."),
            yes(
                "That of beta 0.1, ten times.",
                "logit(0.8) / beta: 13.9 nats against 1.4. Beta is the price of leaving the reference.",
            ),
            no(
                "They are equal: same labels, same model.",
                "The implicit rewards are equal. The margin is the implicit reward divided by beta.",
            ),
        ),
    ),
    "dpo_adam": Question(
        "Again five steps from the reference, beta 0.1 and beta 1, but with Adam. Whose margin is larger?",
        (
            no(
                "That of beta 1, about ten times.",
                "Adam divides by the size of the gradient, and beta / 2 is a factor of this size.",
            ),
            yes(
                "They are nearly equal.",
                "A constant factor of the gradient does not change Adam's steps, apart from its eps and from norm "
                "clipping.",
            ),
            no("That of beta 0.1, about ten times.", "Later perhaps. So far neither sigmoid has begun to flatten."),
        ),
    ),
    "dpo_chosen_falls": Question(
        "Margins and accuracy rise, and the log-prob of the chosen completions falls. A bug?",
        (
            no(
                "Yes: a smaller loss means that the chosen completions have become likelier.",
                "A smaller loss means a larger difference and nothing else.",
            ),
            yes(
                "Not by itself: the loss asks for the margin only.",
                "Both completions share weights and words, so both can fall. Whether it is harmless is another question: "
                "the probability goes to completions that nobody compared.",
            ),
            no(
                "Yes: chosen and rejected are swapped.",
                "If they were swapped in the loss, margins would fall. If they were swapped in the data, margins would "
                "rise as they should, and only a verifier would tell.",
            ),
        ),
    ),
    "dpo_average": Question(
        "A loss averages the log-probs over the tokens before DPO. Chosen has 50 tokens, rejected 25. What changes?",
        (
            no(
                "Nothing: both are averaged, so the factor cancels in the difference.",
                "The factors 1/50 and 1/25 are not equal, and neither of them cancels.",
            ),
            no(
                "Beta is divided by 50, as if the recipe had a smaller beta.",
                "It is divided by 50 for chosen, and by 25 for rejected.",
            ),
            yes(
                "Beta becomes beta / 50 for chosen and beta / 25 for rejected.",
                "The push is weaker, and a token of the shorter completion is pushed twice as hard. A larger beta undoes "
                "only the first.",
            ),
        ),
    ),
    "dpo_stops": Question(
        "A pair is labelled the same way every time. Which loss lets its margin grow for ever?",
        (
            yes("DPO.", "Its pull becomes smaller and never ends. What stops it in practice is the end of the run."),
            no("cDPO.", "It assumes that a tenth of the labels are wrong, and comes to rest at logit(0.9) / beta."),
            no("IPO.", "Its target is 1 / (2 beta), and a margin beyond it is pulled back."),
            no("The hinge.", "It has no gradient beyond 1 / beta."),
        ),
    ),
    "dpo_drift": Question(
        "The article lists 'reference drift' among the pitfalls of DPO. What drifts, in standard DPO?",
        (
            no(
                "The reference: it is a moving average of the policy, and follows it.",
                "Only where somebody asks for it: TRL's sync_ref_model, TR-DPO.",
            ),
            yes(
                "The policy: away from the frozen reference.",
                "It also moves away from the model that wrote the pairs, so they say less and less about what it does. "
                "Fresh pairs (online DPO) are the cure.",
            ),
            no("Beta, as margins grow.", "Beta is a constant of the loss."),
        ),
    ),
    "dpo_excerpt": Question(
        "All completions of this run have 50 tokens, and every pair keeps its label. At which margin, in summed nats, does "
        "a pair come to rest?",
        (
            no(
                "At 22 nats, which is logit(0.9) / 0.1, as in section 5.",
                "That is the margin of the averages. Each of them is a sum divided by 50.",
            ),
            yes(
                "At about 1,100 nats: 22 nats for each token.",
                "The averages rest at a margin of logit(0.9) / 0.1 = 22 nats. Over 50 tokens these are 1,099 nats, so the "
                "reference hardly holds the policy back. Summed, this beta would be 0.1 / 50 = 0.002.",
            ),
            no(
                "At none: the labels always agree.",
                "The loss is cDPO: a tenth of the labels are assumed to be wrong, whatever they are.",
            ),
        ),
    ),
}
