"""What to know about every check: why its finding matters, what to do, and the notebook that teaches it."""

from typing import NamedTuple

MASKED, ALIGNED, VALUE, CLIP = (
    "00_everything_is_a_masked_loss",
    "01_logprobs_and_alignment",
    "03_what_the_value_head_fits",
    "04_clipping",
)
GROUPS, SUMS, TOOLS = "05_grpo_advantages", "06_aggregation", "09_tool_use"


class Advice(NamedTuple):
    why: str
    do: str
    lesson: str


ADVICE = {
    "ids": Advice(
        "No embedding has such an id: the model fails, or reads another row.",
        "Look for labels, where -100 stands for what is left out, that were passed as inputs.", MASKED,
    ),
    "attention": Advice(
        "A token that is not attended to is missing from everything that comes behind it.",
        "Make the mask from lengths, and not from the value of a token.", ALIGNED,
    ),
    "positions": Advice(
        "Sampler and trainer then see different positions. With learned positions every log-prob is another; with rotary ones only differences between positions count.",
        "Compute them as attention_mask.cumsum(1) - 1, for sampling and for training.", ALIGNED,
    ),
    "padding": Advice(
        "Where every EOS is masked as padding, the model is never taught to stop.",
        "Give the padding an id of its own, or make all masks from lengths.", MASKED,
    ),
    "pads_in_loss": Advice(
        "The model is taught to write padding, and the count of tokens is too large.",
        "Multiply the mask by the attention mask of the tokens that are predicted.", MASKED,
    ),
    "empty": Advice(
        "The loss is 0 or NaN, and nothing is learned.",
        "Print the mask beside the tokens. Most often a chat template marks no turn of the assistant, or every row was cut off and masked.", MASKED,
    ),
    "shifted": Advice(
        "The last token of the prompt or of the padding is learned, and one of the completion is not.",
        "Logits at t predict token t + 1: shift the labels once, and slice mask and log-probs alike.", ALIGNED,
    ),
    "prompt": Advice(
        "The model is taught to write questions. The loss stays high, since nobody can predict a question.",
        "Set the mask to 0 up to the first token of the completion, or mark the assistant's turns in the chat template.", MASKED,
    ),
    "end": Advice(
        "The model is not taught to stop; completions run into the budget.",
        "Keep the EOS in the mask of the completion: it is a token like the others.", MASKED,
    ),
    "behind_end": Advice(
        "No sampler asks for that token: sampling stops at the EOS.",
        "End the mask with the EOS of each turn.", MASKED,
    ),
    "tools": Advice(
        "The model is taught to write results, and so to make them up.",
        "Set the mask to 0 from the token that opens the tool's turn to the one that ends it.", TOOLS,
    ),
    "tool_results": Advice(
        "The model answers without having seen the result, and is rewarded for guessing.",
        "Append what the tool returned as a turn before the model goes on, and print a whole row.", TOOLS,
    ),
    "values": Advice(
        "One such number makes the loss and every weight NaN, or stands for something else than its name says.",
        "Find what produced it: an empty row, a division by a count of 0, a logarithm of 0.", ALIGNED,
    ),
    "aligned": Advice(
        "A ratio or a KL between two different tokens is noise, and its gradient too.",
        "Take log-softmax of logits[:, :-1], gather at tokens[:, 1:], and slice the completion once.", ALIGNED,
    ),
    "ratio": Advice(
        "Clipping then acts on the mistake, and the gradient is not that of the samples.",
        "Look for dropout while scoring, log-probs of older weights, another temperature, another precision. If a step was taken between the two, say so with --later.", CLIP,
    ),
    "engines": Advice(
        "The samples come from another policy than the one that is trained: its gradient is biased.",
        "Compare temperature, top-p, top-k and weights of the two engines. What is left is rounding, and needs an importance weight.", CLIP,
    ),
    "normaliser": Advice(
        "The gradient is too large or too small by this factor, and how much changes with padding or micro-batches.",
        "Count the tokens in the loss once, over the whole step and all ranks, and divide every micro-batch by that.", SUMS,
    ),
    "group_sizes": Advice(
        "Mean and std of a small or mixed group are a poor thing to compare with.",
        "Check that the rows of a prompt stay together, and how many completions are sampled for each.", GROUPS,
    ),
    "prompts": Advice(
        "Completions are compared with those of another question.",
        "Repeat each prompt in place (repeat_interleave), and shuffle rows and groups alike.", GROUPS,
    ),
    "completions": Advice(
        "Equal completions have equal rewards: nothing can be compared.",
        "Give every row a seed of its own, and sample at a temperature above 0.", GROUPS,
    ),
    "advantage": Advice(
        "Only the other terms of the loss train the model.",
        "Look at the rewards: whether a verifier says the same of all of them.", GROUPS,
    ),
    "centred": Advice(
        "Whatever was sampled is made more likely, or all of it less; the entropy falls and the gradient is noisy.",
        "Subtract a baseline: the group's mean, the mean of the others, or a critic's value.", GROUPS,
    ),
    "sign": Advice(
        "The gradient goes the wrong way, at the right size: no other scalar is strange while the reward falls.",
        "Follow the sign from the reward to the loss: a policy loss is minus the advantage times the log-prob.", GROUPS,
    ),
    "dead": Advice(
        "Without a difference there is no gradient.",
        "Take prompts that are neither too easy nor too hard, or sample more for each; and try the verifier on a right completion.", GROUPS,
    ),
    "dead_advantages": Advice(
        "A difference of rounding, or of a small penalty, is divided by its own std and teaches as much as being right.",
        "Add an eps to the std that is large against such differences, or leave these groups out. If the rewards in this file are not those that the advantage was computed from, this says nothing.", GROUPS,
    ),
    "token_rewards": Advice(
        "A reward where the mask is 0 is lost, or reaches other tokens than it should.",
        "Put a score on the last token in the loss, by its position.", VALUE,
    ),
    "returns": Advice(
        "The critic is fitted to something else than what the advantages are made with.",
        "Compute returns as advantages + values, before whitening.", VALUE,
    ),
    "values_at_action": Advice(
        "A baseline that has seen the action is biased.",
        "Read V at the position before the token, where its log-prob is read, too.", VALUE,
    ),
    "scored": Advice(
        "The log-probs are not those that the model gives these tokens.",
        "Score with the weights, the positions and the precision that are trained.", ALIGNED,
    ),
    "temperature": Advice(
        "The policy that is sampled and the one that is trained differ wherever only one of them is at that temperature.",
        "Divide the logits by the temperature before every log-softmax, also that of the reference.", ALIGNED,
    ),
}  # fmt: skip
