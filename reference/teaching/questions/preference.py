"""Questions of notebook 07 DPO and beta."""

from reference.teaching.question import Question, no, yes

QUESTIONS = {
    "dpo_first_loss": Question(
        "A DPO log begins with a loss of 0.693 and an accuracy of 0. Is something broken?",
        (
            no(
                "Yes, the policy ranks every pair wrongly.",
                "The margin is exactly 0 in every pair, neither won nor lost.",
            ),
            yes(
                "No: policy and reference are the same, every margin is 0, and -log sigmoid(0) is ln 2.",
                "Whatever the model, the pairs and beta. A first loss that is not 0.693 is worth a question: dropout, "
                "another precision, or a reference that is not the start.",
            ),
            no("It means the learning rate is 0.", "It is the loss before the first step."),
        ),
    ),
    "dpo_no_ratio": Question(
        "DPO's pairs were sampled by some other model, long ago. PPO would need importance ratios. Why does DPO not?",
        (
            no("It does; most implementations leave them out.", "There is no expectation under the policy to correct."),
            no(
                "The log-ratio to the reference is the importance ratio.",
                "It enters the loss as a reward. No sample is weighted with it.",
            ),
            yes(
                "Its gradient is that of a loss on fixed data. It estimates no expectation under the policy.",
                "Like a classifier's. The price: what the data does not contain, it does not teach.",
            ),
        ),
    ),
    "dpo_beta_budget": Question(
        "Two runs, five small steps of plain SGD from the reference, beta 0.1 and beta 1. Whose margin is larger?",
        (
            yes("That of beta 1, about ten times.", "At margin 0 the gradient is beta / 2."),
            no(
                "That of beta 0.1, about ten times.",
                "The smaller beta pushes less: beta / 2 nats per step and log-prob.",
            ),
            no("They are equal.", "SGD sees the scale of a gradient, and beta is in it."),
        ),
    ),
    "dpo_beta_rest": Question(
        "Now both train until nothing moves. Four raters of five prefer chosen. Whose margin is larger?",
        (
            no("That of beta 1.", "It was ahead at first. But it also rests first."),
            yes(
                "That of beta 0.1, ten times.",
                "logit(0.8) / beta: 13.9 nats against 1.4. Beta is the price of leaving the reference.",
            ),
            no("They are equal: same labels, same model.", "The implicit rewards are equal, and beta is their unit."),
        ),
    ),
    "dpo_adam": Question(
        "Again five steps from the reference, beta 0.1 and beta 1, but with Adam. Whose margin is larger?",
        (
            no(
                "That of beta 1, about ten times.", "Adam divides by the size of the gradient. Beta / 2 is such a size."
            ),
            yes(
                "They are nearly equal.",
                "A factor in front of the gradient does nothing to Adam's steps, if eps and norm clipping do not see it.",
            ),
            no("That of beta 0.1, about ten times.", "Later perhaps. So far neither loss has begun to flatten."),
        ),
    ),
    "dpo_chosen_falls": Question(
        "Margins and accuracy rise, and the log-prob of the chosen completions falls. A bug?",
        (
            no("Yes: the loss asks for likelier chosen completions.", "It asks for the difference and nothing else."),
            yes(
                "Not by itself. Only the margin is in the loss, and both completions share weights and words.",
                "Whether it is harmless is another matter: the probability goes to completions that nobody compared.",
            ),
            no(
                "Yes: chosen and rejected are swapped.",
                "In the loss, and margins would fall. In the data, and margins rise as they should: only a verifier would "
                "tell.",
            ),
        ),
    ),
    "dpo_average": Question(
        "A loss function averages the log-probs over the tokens before DPO. Chosen has 50 tokens, rejected 25. What changes?",
        (
            no("Nothing, as both are averaged.", "A sum of nats became a rate: beta is divided by the length."),
            no("Beta is divided by 50 for the pair.", "By 50 for chosen, and by 25 for rejected."),
            yes(
                "Beta becomes beta / 50 for chosen and beta / 25 for rejected.",
                "The pull is weaker, and a token of the shorter completion is pulled twice as hard. Scaling beta up again "
                "undoes only the first.",
            ),
        ),
    ),
    "dpo_stops": Question(
        "A pair is labelled the same way every time. Which loss lets its margin grow for ever?",
        (
            yes("DPO.", "Its pull shrinks and never ends. What stops it in practice is the end of the run."),
            no("cDPO.", "It takes a tenth of the labels to be wrong, and rests at logit(0.9) / beta."),
            no("IPO.", "It aims at 1 / (2 beta), and calls back whoever went further."),
            no("The hinge.", "It lets go at 1 / beta."),
        ),
    ),
    "dpo_drift": Question(
        "A table of pitfalls lists 'reference drift' for DPO. What drifts, in standard DPO?",
        (
            no(
                "The reference, as it follows the policy.",
                "Only where somebody asks for it: TRL's sync_ref_model, TR-DPO.",
            ),
            yes(
                "Nothing: the reference is frozen. The policy drifts away from it, and from the model that wrote the pairs.",
                "The second is a real problem. Fresh pairs (online DPO) are the cure.",
            ),
            no("Beta, as margins grow.", "Beta is a constant; nothing moves it."),
        ),
    ),
}
