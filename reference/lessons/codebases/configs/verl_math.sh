#!/usr/bin/env bash
# GRPO on arithmetic word problems, one node with eight GPUs.
set -euo pipefail

MODEL=${MODEL:-models/small-instruct}
GROUP=8

DATA=(
    data.train_files=data/problems/train.parquet
    data.val_files=data/problems/test.parquet
    data.train_batch_size=256
    data.max_prompt_length=512
    data.max_response_length=2048
)
ALGORITHM=(
    algorithm.adv_estimator=grpo
    algorithm.kl_ctrl.kl_coef=0.05
)
ACTOR=(
    actor_rollout_ref.model.path="$MODEL"
    actor_rollout_ref.actor.optim.lr=1e-6
    actor_rollout_ref.actor.ppo_mini_batch_size=64
    actor_rollout_ref.actor.clip_ratio=0.1
    actor_rollout_ref.actor.use_kl_loss=True
    actor_rollout_ref.actor.kl_loss_coef=0.01
    actor_rollout_ref.actor.grad_clip=0.5
)

python3 -m verl.trainer.main_ppo \
    "${DATA[@]}" \
    "${ALGORITHM[@]}" \
    "${ACTOR[@]}" \
    actor_rollout_ref.rollout.name=vllm \
    actor_rollout_ref.rollout.n=$GROUP \
    trainer.n_gpus_per_node=8 \
    trainer.total_epochs=2 \
    actor_rollout_ref.rollout.n=16
