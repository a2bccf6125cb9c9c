"""What would surprise the author of a config of one framework, by its options."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from reference.frameworks.rules.values import Columns, Of, is_number


@dataclass(frozen=True)
class Surprise:
    """``lesson``: the notebook, and the number of its section."""

    text: str
    notebook: str
    section: int

    @property
    def lesson(self) -> str:
        return f"notebooks/{self.notebook}.ipynb, section {self.section}"


def trl(of: Of, c: Columns, entry: str) -> Iterator[Surprise]:
    if entry == "GRPOConfig" and of("loss_type") == "bnpo":
        yield Surprise("bnpo divides each micro-batch by its own tokens: how a batch is cut changes the gradient",
                       "06_aggregation", 1)  # fmt: skip
    if entry == "DPOConfig" and of("label_smoothing") and of("loss_type") in ("sigmoid", ["sigmoid"]):
        yield Surprise("label_smoothing changes nothing with loss_type sigmoid: there is no cDPO in this version",
                       "08_dpo_and_beta", 7)  # fmt: skip
    if entry in ("GRPOConfig", "DPOConfig") and (c.get("kl_place") or entry == "DPOConfig"):
        yield Surprise("the reference is loaded again from the name of the model: after SFT in the same process it is the base model",
                       "08_dpo_and_beta", 1)  # fmt: skip
    if entry == "GRPOConfig" and type(of("num_generations")) is int and of("num_generations") < 2:
        yield Surprise("this version refuses fewer than 2 completions per prompt", "05_grpo_advantages", 1)
    if entry == "RLOOConfig":
        yield Surprise("the ratio is that of whole completions, the product over their tokens: the clip is reached by long ones first",
                       "04_clipping", 9)  # fmt: skip


def verl(of: Of, c: Columns, entry: str) -> Iterator[Surprise]:
    prompts, batch = of("data.train_batch_size"), of("actor_rollout_ref.actor.ppo_mini_batch_size")
    if is_number(prompts) and is_number(batch) and 0 < prompts < batch:
        yield Surprise(f"train_batch_size {prompts} is below ppo_mini_batch_size {batch}: this version refuses it without use_dynamic_bsz",
                       "04_clipping", 7)  # fmt: skip
    if of("algorithm.use_kl_in_reward") is True and of("actor_rollout_ref.actor.use_kl_loss") is True:
        yield Surprise("the KL is charged twice, in the reward and in the loss", "07_where_the_kl_goes", 2)
    if of("actor_rollout_ref.actor.clip_ratio") not in (0.2, None):
        yield Surprise(
            "clip_ratio changes nothing: clip_ratio_low and clip_ratio_high are 0.2 unless they are set too",
            "04_clipping",
            8,
        )
    if of("actor_rollout_ref.actor.grad_clip") not in (1.0, None):
        yield Surprise("actor.grad_clip is read by nobody: actor.optim.clip_grad acts", "04_clipping", 9)
    if str(of("algorithm.adv_estimator")) != "gae" and c.get("group_size") == 1:
        yield Surprise(
            "rollout.n is 1: an estimator with groups keeps the raw reward as advantage", "05_grpo_advantages", 1
        )
    if (
        of("actor_rollout_ref.actor.loss_agg_mode") == "seq-mean-token-sum-norm"
        and of("actor_rollout_ref.actor.loss_scale_factor") is None
    ):
        yield Surprise("without loss_scale_factor the sum is divided by the padded width of the batch, which is no fixed length",
                       "06_aggregation", 2)  # fmt: skip


def openrlhf(of: Of, c: Columns, entry: str) -> Iterator[Surprise]:
    if of("--algo.advantage.estimator") in GROUPED and of("--rollout.n_samples_per_prompt") == 1:
        yield Surprise(
            "this estimator with one completion per prompt: this version refuses it", "05_grpo_advantages", 1
        )
    if of("--algo.advantage.no_std_norm") is True and c.get("advantage") == "group":
        yield Surprise(
            "no_std_norm changes nothing with group_norm: dr_grpo is the estimator without the std",
            "05_grpo_advantages",
            3,
        )
    if of("--actor.loss_agg_mode") == "seq-mean-token-mean" and c.get("kl_place") == "loss":
        yield Surprise(
            "the KL in the loss stays a mean over tokens, whatever loss_agg_mode says", "07_where_the_kl_goes", 2
        )


GROUPED = ("rloo", "reinforce_baseline", "group_norm", "dr_grpo")


def nemo_rl(of: Of, c: Columns, entry: str) -> Iterator[Surprise]:
    if of("loss_fn.use_kl_in_reward") is True and of("grpo.adv_estimator.name") == "grpo":
        yield Surprise("use_kl_in_reward takes the KL out of the loss, and this estimator does not read it: no KL is charged",
                       "07_where_the_kl_goes", 2)  # fmt: skip


def skyrl(of: Of, c: Columns, entry: str) -> Iterator[Surprise]:
    if of("trainer.algorithm.use_tis") is True and of("trainer.algorithm.tis_imp_ratio_cap") == -1:
        yield Surprise(
            "use_tis without tis_imp_ratio_cap: every weight is cut at -1, which turns the sign of the loss",
            "04_clipping",
            9,
        )
    if of("trainer.algorithm.zero_variance_filter") is True:
        yield Surprise("zero_variance_filter masks dead groups only with generator.batched or a chat template of one's own",
                       "05_grpo_advantages", 4)  # fmt: skip


def areal(of: Of, c: Columns, entry: str) -> Iterator[Surprise]:
    size = of("actor.reward_norm.group_size")
    if of("actor.reward_norm.mean_level") == "group" and size != of("gconfig.n_samples"):
        yield Surprise(f"reward_norm.group_size is {size}, and not n_samples: the groups that are normalised are not those that were sampled",
                       "05_grpo_advantages", 1)  # fmt: skip


def llamafactory(of: Of, c: Columns, entry: str) -> Iterator[Surprise]:
    if entry == "dpo" and of("pref_loss") in ("hinge", "ipo", "kto_pair"):
        yield Surprise(
            f"pref_loss {of('pref_loss')} does not reach the loss: from TRL 0.20 on it is the sigmoid one",
            "08_dpo_and_beta",
            7,
        )


def ms_swift(of: Of, c: Columns, entry: str) -> Iterator[Surprise]:
    if entry == "megatron dpo" and of("loss_type") not in (None, "sigmoid"):
        yield Surprise(
            f"loss_type {of('loss_type')} does not reach the loss: on Megatron it is the sigmoid one",
            "08_dpo_and_beta",
            7,
        )


OWN: dict[str, Callable[[Of, Columns, str], Iterator[Surprise]]] = {
    "trl": trl, "verl": verl, "openrlhf": openrlhf, "nemo_rl": nemo_rl, "skyrl": skyrl, "areal": areal,
    "llamafactory": llamafactory, "ms_swift": ms_swift,
}  # fmt: skip
