"""The questions on masked losses."""

from reference.teaching.question import Question, no, yes

QUESTIONS = {
    "who_weighs_more": Question(
        "Two completions, 2 and 8 tokens long. Under sequence_mean, how does a token of the short one compare?",
        (
            no("It weighs the same as a token of the long one.", "That is token_mean: one denominator for all tokens."),
            yes(
                "It weighs four times as much.",
                "Each completion has weight 1/2. Spread over 2 tokens that is 1/4 each, over 8 tokens 1/16 each.",
            ),
            no(
                "It weighs less, because the completion is short.",
                "The other way round: the same share is spread over fewer tokens.",
            ),
        ),
    ),
    "what_is_supervised": Question(
        "Which of these tokens must the mask keep, besides the assistant's words?",
        (
            no(
                "The header <|assistant|> that opens the turn.",
                "We write it ourselves when we ask; it is part of the prompt.",
            ),
            yes(
                "The <|end|> that closes the assistant's turn.",
                "The model has to produce it, or it never stops. Leaving it out is one of the most repeated bugs.",
            ),
            no("The <|end|> that closes the user's turn.", "The same id, but nobody asks the model to write it there."),
            no("The padding after the end.", "Then the model learns to write pads, more of them in wider batches."),
        ),
    ),
    "same_direction": Question(
        "On ONE batch, what separates the gradients of token_mean and fixed_length?",
        (
            yes(
                "Their size.",
                "Both divide the same sum by one number. That number differs from batch to batch, and between micro-batches.",
            ),
            no(
                "Their direction.",
                "Both divide the same numerator by a scalar, so the direction is the same.",
            ),
            no(
                "Nothing, they are equal.",
                "Equal up to a factor: rows times max_length against the number of kept tokens.",
            ),
        ),
    ),
    "micro_batches": Question(
        "You split a batch into micro-batches of one row, take token_mean of each, and average. What did you compute?",
        (
            no(
                "token_mean of the whole batch.",
                "Only if all rows are equally long: each row was divided by its own count.",
            ),
            yes(
                "sequence_mean of the whole batch.",
                "Dividing each row by its own count and averaging rows is the definition of sequence_mean. "
                "The size of a micro-batch has changed the objective.",
            ),
            no(
                "Something in between.",
                "For one row each it is exactly sequence_mean. With several rows each it is a third objective.",
            ),
        ),
    ),
    "zero_loss": Question(
        "With sequence_mean, the loss of a GRPO run is 0.0000 on the first step. What does that tell you?",
        (
            no(
                "Nothing is learned.",
                "The value is 0 because advantages are centred; the gradient need not be. Look at grad_norm.",
            ),
            yes(
                "Nothing at all.",
                "At ratio 1 each row's mean loss is minus its advantage, and advantages average to 0 in every group. Under "
                "token_mean the value is not 0 and means just as little. grad_norm tells whether anything is learned.",
            ),
            no(
                "All rewards in the batch are equal.",
                "Then grad_norm would be 0 as well. The loss value alone cannot tell.",
            ),
        ),
    ),
    "ten_for_all": Question(
        "You add 10 to the reward of every word. What happens to the gradient of the mean reward?",
        (
            yes(
                "Nothing.",
                "The mean reward becomes larger by 10 whatever the policy does, and the gradient of a constant is 0.",
            ),
            no("It is ten times as large.", "That is what happens if the rewards are multiplied by 10."),
            no(
                "It raises the logits of all words.",
                "The probabilities sum to 1: they cannot all rise. Every estimate from samples does push what was drawn.",
            ),
        ),
    ),
    "which_grpo": Question(
        'A TRL config says GRPOConfig(loss_type="dapo"). A completion is twice as long as another. Whose tokens weigh more?',
        (
            no("Those of the short one.", 'That would be loss_type="grpo", sequence_mean.'),
            yes(
                "Neither: each token weighs the same.",
                '"dapo" is token_mean over the global batch; so the long one counts double.',
            ),
            no(
                "Those of the long one.",
                "The long completion weighs more as a whole, its tokens do not.",
            ),
        ),
    ),
    "find_the_normaliser": Question(
        "Which normaliser do these lines have, and what becomes of a row that keeps nothing?",
        (
            no(
                "token_mean. The row adds nothing to either sum.",
                "The division by keep.sum(dim=-1) happens inside each row, before the rows meet.",
            ),
            no(
                "sequence_mean. The row is left out.",
                "clamp(min=1) only prevents 0 / 0. row_loss.mean() still counts the row.",
            ),
            yes(
                "sequence_mean. The row counts as a loss of 0.",
                "Each row is divided by its own count, and mean() divides by all rows, the empty ones too. The course leaves "
                "empty rows out.",
            ),
            no(
                "fixed_length, with accumulation_steps as its constant.",
                "accumulation_steps turns the sum of the micro-batches into their mean; no length is in it.",
            ),
        ),
    ),
}
