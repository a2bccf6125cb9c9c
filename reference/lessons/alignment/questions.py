"""The questions on log-probs and alignment."""

from reference.teaching.question import Question, no, yes

QUESTIONS = {
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
            yes("1", "They are all the continuations there are. A misaligned gather gives another number."),
            no("Less than 1: probabilities of long sequences vanish.", "Each one is small, but there are 64 of them."),
            no("It depends on the model.", "For every model that normalises each step it is 1."),
        ),
    ),
    "first_ratio": Question(
        "You sample at temperature 0.5 and score at 1. What is the ratio before any update?",
        (
            no(
                "1 for every token, as nothing was updated.",
                "The parameters are the same, the two distributions are not.",
            ),
            yes(
                "Above 1 on unlikely tokens.",
                "And below 1 on likely ones: the sampler was sharper than what you score with. PPO begins by correcting an "
                "update that nobody made.",
            ),
            no("2 for every token, the inverse of 0.5.", "Temperature divides logits, not probabilities."),
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
            no(
                "The attention mask, made as tokens != pad_id",
                "It goes by value too, so it drops the real EOS.",
            ),
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
                "Llama, whose positions are rotary.",
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
            no(
                "The first ratio must be 1.",
                "It is 1: both sides make the same mistake, and it cancels.",
            ),
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
    "find_the_fault": Question(
        "Which line is wrong?",
        (
            no(
                "torch.roll: the labels must be shifted by +1.",
                "With -1, labels[:, t] is ids[:, t + 1], the token that logits[:, t] score.",
            ),
            yes(
                "The last line: the slice.",
                "logps[:, t] is about token t + 1, so the completion is at [-width - 1 : -1]. As it stands, the first token "
                "is missing, and the last entry scores the token that roll carried over from the front.",
            ),
            no(
                "The temperature must divide after log_softmax.",
                "Then the probabilities would not sum to 1. It divides the logits.",
            ),
            no(
                "The positions: pads must not get position 0.",
                "Any position will do for a pad, because the attention mask hides it.",
            ),
        ),
    ),
}
