"""Questions of notebook 00 everything is a masked loss."""

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
        "On ONE batch, what separates token_mean from fixed_length?",
        (
            yes(
                "Only the size of the gradient, not its direction.",
                "Both divide the same sum by one number. It differs from batch to batch, and between micro-batches it bites.",
            ),
            no(
                "The direction of the gradient.",
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
                "Memory pressure has changed the objective.",
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
                "Nothing: the value of this loss is not what matters.",
                "At ratio 1 each row's mean loss is minus its advantage, and advantages average to 0 in every group. Under "
                "token_mean the value is not 0 and means just as little. Whether anything is learned, grad_norm tells.",
            ),
            no("The rewards are all equal.", "Then grad_norm would be 0 as well. The loss value alone cannot tell."),
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
            no("Those of the long one.", "The long completion weighs more as a whole, its tokens do not."),
        ),
    ),
}
