"""The questions on aggregation."""

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
                "1/3 against 1/15, each times a half. The other completions of the micro-batch decide how much a token counts.",
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
                "If every batch has the same mean length, and the learning rate makes up for the factor.",
                "Then one constant relates the two: the mean length over max_length. Otherwise the direction agrees on each "
                "batch, but batches of short completions weigh more under token_mean.",
            ),
            no(
                "If all completions have the length max_length; in every other case some batches count more.",
                "That is enough, but more than is needed: a mean length that stays the same is enough.",
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
    "framework_denominator": Question(
        "Four micro-batches per process, eight processes. How large is the gradient of these lines, against that of "
        "token_mean on the whole batch?",
        (
            no(
                "The same: num_tokens is counted over all micro-batches and all processes.",
                "The count is right. But after it the loss is divided twice more: by the micro-batches, and by the wrapper.",
            ),
            no(
                "An eighth: only the mean over the processes is not made up for.",
                "It is not made up for, that is true. But one more line divides.",
            ),
            yes(
                "1/32 of it.",
                "The count of the whole batch has done the whole division. len(micro_batches) divides by 4 once more, and the "
                "wrapper by 8. Adam hides most of it; max_grad_norm acts on a gradient that is 32 times too small.",
            ),
            no(
                "It depends on how the tokens are spread over the micro-batches.",
                "It would with own counts. Here every micro-batch divides by the same number.",
            ),
        ),
    ),
}
