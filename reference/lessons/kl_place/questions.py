"""The questions on the place of the KL."""

from reference.teaching.question import Question, no, yes

QUESTIONS = {
    "kl_twice": Question(
        "A config charges k1 in the reward and adds k2 to the loss, with the same coefficient. What do you get?",
        (
            no("An error.", "Some frameworks refuse it (slime asserts); most of them do not."),
            yes(
                "About twice the penalty.",
                "Each place adds its own gradient. Not exactly twice: the one in the loss does not see that an early "
                "token changes which states come later. (With k1 in the loss in the place of k2: once. On average it adds "
                "nothing there.)",
            ),
            no("The same penalty, since it is the same KL.", "The gradients are added up, not the values compared."),
        ),
    ),
    "kl_dead_group": Question(
        "GRPO with the KL in the reward at kl_coef 0.001. All completions of a group are right. What are their advantages?",
        (
            no("All 0: the group is dead, and has no signal.", "It was dead, until the KL made its rewards differ."),
            no("About a thousandth.", "That is their size before the division by the group's std."),
            yes(
                "About 1 in size, ranked by the KL.",
                "The std of the group is all KL as well, so kl_coef cancels, as long as that std is well above eps. The "
                "smaller the coefficient, the greater the surprise.",
            ),
        ),
    ),
    "which_place": Question(
        "You read rewards = scores - beta * kl.sum(-1), and further down loss = pg_loss + beta * kl_loss. What do you ask first?",
        (
            no(
                "Whether beta is large enough for a policy that learns fast.",
                "First find out how often and through what it acts; then its size means something.",
            ),
            yes(
                "With which estimator, and which has a gradient.",
                "In the loss k1 does nothing on average and a detached tensor nothing at all; k3 in the reward does the wrong "
                "thing; a group's std rescales what is in the reward.",
            ),
            no("Whether the KL is positive.", "A KL sample may well be negative. Notebook 02 is about that."),
        ),
    ),
    "framework_places": Question(
        "How does the KL act in these lines?",
        (
            no(
                "Twice, in the reward and in the loss, as both switches are on.",
                "Look at the mode in which the second KL is computed.",
            ),
            no(
                "Once, in the loss by k3, as in GRPO; the reward only reports it.",
                "The KL of the loss is computed under no_grad: it changes the value of the loss and no gradient.",
            ),
            yes(
                "In the reward only, by k3, divided by the std.",
                "The three choices: k3 in the reward is the wrong estimator there (section 2), the std of the group rescales it "
                "(section 4), and the term of the loss has no gradient.",
            ),
            no(
                "Not at all: the first KL is a number, and the second has no gradient.",
                "A number is what a reward needs: it weighs log p. The first KL does act.",
            ),
        ),
    ),
}
