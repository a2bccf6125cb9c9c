"""Questions of notebook 06 aggregation and KL placement."""

from reference.teaching.question import Question, no, yes

QUESTIONS = {
    "thin_micro_batch": Question(
        "Two micro-batches: one holds 3 tokens in all, the other 15. Each takes token_mean by its own count, and the two "
        "losses are averaged. How does a token of the first compare with one of the second?",
        (
            no(
                "They weigh the same: it is token_mean.",
                "Only within a micro-batch. Between the two the denominators differ.",
            ),
            yes(
                "It weighs five times as much.",
                "1/3 against 1/15, each times a half. Who shares a micro-batch with you decides how much you count.",
            ),
            no("It weighs a fifth.", "The other way round: the smaller denominator gives the larger weight."),
        ),
    ),
    "two_and_three": Question(
        "When does a run with token_mean take the same steps as one with fixed_length, under plain SGD?",
        (
            no(
                "Always: both add up the token losses and divide by a number.",
                "By two different numbers, and their quotient changes from batch to batch.",
            ),
            yes(
                "When every batch holds equally many tokens and equally many completions, and the learning rate makes up for "
                "the factor.",
                "Then one constant relates the two. Otherwise the direction agrees on each batch, but batches of short "
                "completions weigh more under token_mean.",
            ),
            no(
                "Never: the directions of their gradients differ.",
                "On one batch with one denominator the directions are identical.",
            ),
        ),
    ),
    "ddp_divides": Question(
        "Two processes, each with its share of the batch. Each divides its sum by the tokens of both processes. Then DDP "
        "averages the two gradients. What comes out?",
        (
            no("The gradient of the whole batch.", "It would be if DDP added. It averages."),
            yes(
                "Half of it.",
                "The global count did the division already, and DDP divides by the number of processes once more. So "
                "multiply the loss by it, as verl and OpenRLHF do.",
            ),
            no("Twice it.", "The average of two parts of a sum is half of the sum."),
        ),
    ),
    "constant_advantage": Question(
        "Every completion gets the advantage -1, whatever it says. What does sequence_mean do to the lengths?",
        (
            no(
                "Nothing, there is nothing to learn.",
                "True of fixed_length. Here each completion's pull is divided by its length.",
            ),
            yes(
                "They grow.",
                "The loss per completion is what the policy gradient of the reward -1 / length would give, and a long "
                "completion has the better one.",
            ),
            no(
                "They shrink, as there are fewer tokens to be punished for.",
                "A long completion is punished on more tokens, but undivided that cancels in expectation. Divided by the "
                "length, the short ones are punished hardest.",
            ),
        ),
    ),
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
            no("All 0: the group is dead.", "It was, until the KL made its rewards differ."),
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
                "Whether beta is large enough.",
                "First find out how often and through what it acts; then its size means something.",
            ),
            yes(
                "Which of the two has a gradient, with which estimator, and what divides the first.",
                "In the loss k1 does nothing on average and a detached tensor nothing at all; k3 in the reward does the wrong "
                "thing; a group's std rescales what is in the reward.",
            ),
            no("Whether the KL is positive.", "A KL sample may well be negative. Notebook 02 is about that."),
        ),
    ),
}
