"""What goes wrong in a loop: one line of the reference loop, what is written in its place, and how it shows."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Slip:
    right: str  # as it stands in ``loop.train``, once
    wrong: str
    mistake: str
    symptom: str


CLEAR = "            optimizer.zero_grad()\n"
SHORTEN = "            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)\n"
EARLY = "mask = completion_mask(part.tokens, start, eos_token_id=tokenizer.eos_token_id)"

SLIPS = (
    Slip(CLEAR, "", "the gradient is never cleared, so every step also takes the gradients before it",
         "grad_norm grows from step to step, and after a while the policy collapses"),
    Slip(EARLY, EARLY + ".roll(1, dims=1)", "the mask is one place late: the first completion token is left out",
         "the ratio is 1 and rewards rise, but the token that decides most never learns"),
    Slip(EARLY, EARLY + ".roll(-1, dims=1)", "the mask is one place early: it begins with a token of the prompt",
         "the ratio of the first step is not 1, since nobody sampled the prompt"),
    Slip("part.prompt_width)", "part.prompt_width + 1)", "the mask starts one token late",
         "the ratio is 1 and rewards rise, but the token that decides most never learns"),
    Slip("part.prompt_width)", "part.prompt_width - 1)", "the mask starts one token early, with a token of the prompt",
         "the ratio of the first step is not 1, since nobody sampled the prompt"),
    Slip(EARLY, "mask = part.attention_mask[:, 1:]", "prompts are in the mask as well",
         "the ratio of the first step is not 1, and long prompts count most"),
    Slip('scale="group"', 'scale="batch"', "the advantages are divided by the std of the batch, not of each group",
         "hard and easy prompts count less than in GRPO"),
    Slip('scale="group"', 'scale="none"', "the advantages are not divided by a std",
         "smaller steps on hard and easy prompts; that is Dr.GRPO's choice"),
    Slip("group_advantages(rewards, group_size=group_size,", "group_advantages(rewards, group_size=count,",
         "the advantages compare a completion with the whole batch, not with its group",
         "completions of easy prompts become likelier and those of hard prompts less likely, whatever they say"),
    Slip("advantages[rows, None]", "advantages[: len(rows), None]",
         "the advantages are in the order of the rollout, while the minibatch is shuffled",
         "the reward does not rise: each completion is pushed by the advantage of another"),
    Slip("row // group_size", "row % prompts", "completions are verified against the problems of others",
         "the reward is near 0 from the first step on"),
    Slip(" * ~rollout.truncated", "", "a completion that was cut off may still be counted as right",
         "answers are given early, and text after them is never punished"),
    Slip("losses + kl_coef * kl_k2(logp, ref_logp)", "losses", "the KL is forgotten, or the reference is the policy itself",
         "kl_coef has no effect, and the KL to the base grows freely"),
    Slip("losses + kl_coef * kl_k2", "losses - kl_coef * kl_k2", "the KL is subtracted from the loss: a bonus for drifting",
         "the KL grows faster than without a penalty"),
    Slip("losses + kl_coef * kl_k2", "losses + kl_k2", "the KL is added without its coefficient",
         "every coefficient gives the same run"),
    Slip("kl_coef * kl_k2", "kl_coef * kl_k1", "k1 stands in the loss, whose expected gradient is 0",
         "the penalty is noise, and the KL grows as without it"),
    Slip("kl_coef * kl_k2", "2 * kl_coef * kl_k2", "k2 has lost its half, so the penalty has twice the coefficient",
         "the KL stays lower than in other code with the same kl_coef"),
    Slip("kl_coef * kl_k2", "kl_coef * kl_k3", "k3 stands in the place of k2",
         "near the reference the two runs are alike, and further away they part"),
    Slip("logp, part.sampler_logprobs,", "part.sampler_logprobs, logp,", "the ratio is upside down: old over new",
         "its gradient has the other sign, so the reward falls from the first step on"),
    Slip("part.sampler_logprobs", "logp.detach()", "the old log-probs are those of the policy of now, so the ratio is always 1",
         "clip_frac is 0 for ever, and the second minibatch is treated as fresh"),
    Slip("clip_low=0.2, clip_high=0.2", "clip_low=0.999, clip_high=1e9", "the clip never acts",
         "later minibatches push as hard as the first; with more passes the policy collapses"),
    Slip('strategy="sequence_mean"', 'strategy="token_mean"', "every token counts the same, not every completion",
         "another aggregation than the one that was asked for"),
    Slip('strategy="sequence_mean"', 'strategy="fixed_length"', "the loss is divided by the budget, not by each length",
         "a smaller gradient, so the KL and the gradient's clip act differently"),
    Slip(SHORTEN, "", "the gradient is not shortened to norm 1",
         "one batch with a large gradient can move the policy far away"),
    Slip("loss.backward()", "(-loss).backward()", "the loss is climbed: its sign is wrong",
         "the reward falls from the first step on"),
)  # fmt: skip
