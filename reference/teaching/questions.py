"""The questions that ``quiz`` asks, with an explanation for every option."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Option:
    text: str
    right: bool
    why: str


@dataclass(frozen=True)
class Question:
    text: str
    options: tuple[Option, ...]


def yes(text: str, why: str) -> Option:
    return Option(text, True, why)


def no(text: str, why: str) -> Option:
    return Option(text, False, why)


QUESTIONS: dict[str, Question] = {
    # ---- 00 everything is a masked loss ----------------------------------------------------------------------------
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
    # ---- 01 log-probs and alignment --------------------------------------------------------------------------------
    "how_many_predictions": Question(
        "A row of T tokens goes through the model. How many of its tokens get a log-prob?",
        (
            no("T", "The first token has nothing before it to be predicted from."),
            yes(
                "T - 1",
                "Position t scores token t + 1. The first token is never scored, the last position scores nothing.",
            ),
            no(
                "As many as the completion is long.",
                "Prompt tokens are scored as well. The mask decides which scores are used.",
            ),
        ),
    ),
    "sum_over_sequences": Question(
        "Sum exp(log-prob) of ALL sequences of length 3 over a vocabulary of 4, given the same prompt. What comes out?",
        (
            yes(
                "1", "They are all the continuations there are. A misaligned gather gives another number: a sharp test."
            ),
            no("Less than 1: probabilities of long sequences vanish.", "Each one is small, but there are 64 of them."),
            no("It depends on the model.", "For every model that normalises each step it is 1."),
        ),
    ),
    "first_ratio": Question(
        "You sample at temperature 0.5 and score at 1. What is the ratio at the very first inner step?",
        (
            no("1, nothing has been updated yet.", "The parameters are the same, the two distributions are not."),
            yes(
                "Not 1: above 1 on unlikely tokens, below 1 on likely ones.",
                "The sampler was sharper than what you score with. PPO starts by correcting an update nobody made.",
            ),
            no("2, the inverse of 0.5.", "Temperature divides logits, not probabilities."),
        ),
    ),
    "pad_is_eos": Question(
        "The tokenizer uses one id for pad and EOS. Which mask still trains the model to stop?",
        (
            no("tokens != pad_id", "It drops the real EOS together with the pads."),
            yes(
                "Up to and including the first EOS after the prompt.",
                "By position: the first one is real, all later ones are padding.",
            ),
            no("attention_mask computed as tokens != pad_id", "Inferred from values it has the same hole."),
        ),
    ),
    "who_needs_positions": Question(
        "A row is left-padded; the attention mask is passed, position_ids are not. Which model goes wrong?",
        (
            yes(
                "GPT-2, with learned positions.",
                "Each absolute position has its own vector; pads push the row to other vectors.",
            ),
            no(
                "Llama, with rotary positions.",
                "Rotary attention sees differences of positions; moving the whole row changes none.",
            ),
            no(
                "Both.",
                "Only absolute positions notice, as long as the attention mask hides the pads.",
            ),
        ),
    ),
    "which_test": Question(
        "Trainer and sampler share one scoring function, and it has no shift. Which test notices?",
        (
            no("The first ratio must be 1.", "It is 1: both sides make the same mistake, and it cancels."),
            yes("All probabilities must sum to 1.", "It compares with the truth, not with itself."),
            no("The loss must fall.", "It falls faster than it should: copying is easy."),
        ),
    ),
    "nll_or_logprob": Question(
        "F.cross_entropy on a token returns 2.3. What is the token's log-prob?",
        (
            no("2.3", "Log-probs are never positive."),
            yes("-2.3", "Cross-entropy with a one-hot target is the negative log-prob of that token."),
            no("exp(-2.3)", "That is the probability."),
        ),
    ),
}
