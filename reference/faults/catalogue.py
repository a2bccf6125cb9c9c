"""All faults: what is wrong, where it shows, and the recipe in which it was recorded."""

from reference.faults.fault import Fault
from reference.faults.wrong_rollouts import (
    dusty,
    likes_length,
    likes_zeros,
    negated,
    never_right,
    not_centred,
    of_another_model,
    stale,
    trained_on_results,
    without_eps,
    without_result,
)
from reference.faults.wrong_updates import (
    at_temperature_one,
    entropy_added,
    one_late,
    own_counts,
    read_at_action,
    with_dropout,
    with_prompt,
    without_end,
)

RL, COLLECT = "reference.algorithms.rl", "reference.algorithms.collect"
SFT, PREFERENCE = "reference.algorithms.supervised", "reference.algorithms.preference"
TOOLS = "reference.world.tool_rollout"

ENTRIES = (
    Fault(
        "lr_too_high", "The learning rate is five times too high.",
        "approx_kl and clip_frac are large from the first steps, and the reward falls.", "grpo", 4,
        options={"lr": 1.5e-3},
    ),
    Fault(
        "kl_coef_too_small", "The judge leans, and the KL to the reference is charged at a thousandth of what would hold the policy.",
        "the KL to the reference rises, and with it the judge's reward; the verifier's falls.", "grpo", 7,
        options={"kl": "k3", "kl_place": "loss", "kl_coef": 1e-4}, replaces={f"{RL}.collect": likes_zeros},
    ),
    Fault(
        "reference_replaced", "In the middle of the run the reference becomes the policy of that moment.",
        "the KL to the reference falls to 0 between two steps.", "grpo", 7,
        options={"kl": "k3", "kl_place": "loss", "kl_coef": 0.01, "ref_sync_every": 8},
    ),
    Fault(
        "k1_in_loss", "The KL in the loss is estimated by k1, whose expected gradient is 0.",
        "the KL to the reference rises as if it were not charged, and the gradient is noisy.", "grpo", 2,
        options={"kl": "k1", "kl_place": "loss", "kl_coef": 1.0},
    ),
    Fault(
        "group_of_two", "A group has two completions.",
        "half of the groups are dead from the start, so that half of the samples teach nothing.", "grpo", 5,
        options={"group_size": 2, "prompts_per_step": 128},
    ),
    Fault(
        "std_of_dead_groups", "A millionth of the length is taken off the reward, and the group's std divides by that where all are right.",
        "advantage_std does not fall with the share of dead groups, and completions get shorter.", "grpo", 5,
        replaces={f"{COLLECT}.shaped_rewards": dusty, "reference.algorithms.advantages.group_advantages": without_eps},
    ),
    Fault(
        "advantages_not_centred", "The reward itself is the advantage.",
        "advantage_mean is the mean reward, not 0, and the entropy falls faster.", "grpo", 5,
        replaces={f"{COLLECT}.advantage_of": not_centred},
    ),
    Fault(
        "advantage_sign", "The advantage has a minus sign too many.",
        "the reward falls from the first step on, at an approx_kl that is as ever.", "grpo", 5,
        replaces={f"{COLLECT}.advantage_of": negated},
    ),
    Fault(
        "micro_batch_count", "Each micro-batch divides by its own count, and the results are added up.",
        "grad_norm is larger by the number of micro-batches; Adam and clipping hide the rest.", "grpo", 6,
        replaces={f"{RL}.aggregation_of": own_counts},
    ),
    Fault(
        "entropy_sign", "The entropy bonus is added to the loss in the place of being subtracted.",
        "the entropy falls to almost 0 within a few steps.", "grpo", 11,
        options={"entropy_coef": 1.0}, replaces={f"{RL}.total_loss": entropy_added},
    ),
    Fault(
        "stale_logprobs", "The old log-probs are those of the first policy, and are never refreshed.",
        "the ratio at the first inner step leaves 1 after the first step, and approx_kl and clip_frac rise all the way.", "grpo", 4,
        options={"kl": "k3", "kl_place": "measure"}, replaces={f"{RL}.collect": stale},
    ),
    Fault(
        "temperature_forgotten", "The policy samples at temperature 0.7, and is scored at 1.",
        "the ratio at the first inner step is not 1, from the first step on.", "grpo", 1,
        options={"temperature": 0.7}, replaces={f"{RL}.token_logprobs": at_temperature_one},
    ),
    Fault(
        "dropout_in_scoring", "Dropout is on while the policy is scored, and off while it samples.",
        "the ratio at the first inner step is not 1, from the first step on.", "grpo", 4,
        replaces={f"{RL}.eval_mode": with_dropout},
    ),
    Fault(
        "mask_off_by_one", "The slice of the completion is off by one: each token gets the log-prob of the token behind it.",
        "the ratio at the first inner step is far from 1, and approx_kl is hundreds of times too large.", "grpo", 1,
        replaces={f"{RL}.token_logprobs": one_late},
    ),
    Fault(
        "verifier_broken", "The verifier finds no answer in any completion.",
        "the reward is 0, all groups are dead and grad_norm is 0 exactly.", "grpo", 5,
        replaces={f"{COLLECT}.judge": never_right},
    ),
    Fault(
        "weights_frozen", "The learning rate is 1e-12, by a wrong unit.",
        "grad_norm is as ever, and approx_kl is 0.", "grpo", 4,
        options={"lr": 1e-12},
    ),
    Fault(
        "length_gamed", "The judge gives four fifths of its reward for length.",
        "the judge's reward rises with the length, and the verifier's falls.", "grpo", 11,
        reward=likes_length,
    ),
    Fault(
        "value_at_action", "The value of a state is read at the action, which it has then seen.",
        "explained_variance is higher than it can be, and the reward hardly rises.", "ppo", 3,
        replaces={"reference.algorithms.critic.Critic.forward": read_at_action},
    ),
    Fault(
        "tool_output_trained", "What the tool wrote is in the loss like the model's own words.",
        "made-up results do not fall, and the length jumps by what the tool wrote.", "tool-rl", 9,
        replaces={f"{COLLECT}.sample_groups": trained_on_results},
    ),
    Fault(
        "tool_result_missing", "The tool's turn stands in the context without its result.",
        "almost every answer is made up from the first step on, and calls teach nothing.", "tool-rl", 9,
        replaces={f"{TOOLS}.finish_turn": without_result},
    ),
    Fault(
        "prompt_not_masked", "The question is in the loss of fine-tuning, not only the assistant's words.",
        "supervised is 1, and the loss stays high: nobody can predict the numbers of a question.", "sft", 0,
        replaces={f"{SFT}.prediction_mask": with_prompt},
    ),
    Fault(
        "eos_not_trained", "The token that ends the assistant's turn is left out of the loss.",
        "no scalar of training shows it; the fine-tuned model may not stop.", "sft", 1,
        replaces={f"{SFT}.prediction_mask": without_end},
    ),
    Fault(
        "other_reference", "The reference of DPO is another model than the one that training started from.",
        "the first loss is not ln 2, and the margin is not 0 at the start.", "dpo", 8,
        replaces={f"{PREFERENCE}.logprobs_of": of_another_model},
    ),
)  # fmt: skip

FAULTS = {fault.name: fault for fault in ENTRIES}
