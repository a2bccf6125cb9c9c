#!/usr/bin/env bash
# RLOO with the KL in the reward, one node.
set -x

DATA=data/problems
GPUS=4

uv run --isolated --extra fsdp -m skyrl.train.entrypoints.main_base \
  data.train_data="['$DATA/train.parquet']" \
  data.val_data="['$DATA/validation.parquet']" \
  trainer.policy.model.path=models/small-instruct \
  trainer.placement.colocate_all=true \
  trainer.placement.policy_num_gpus_per_node=$GPUS \
  trainer.algorithm.advantage_estimator=rloo \
  trainer.algorithm.grpo_norm_by_std=true \
  trainer.algorithm.use_kl_loss=false \
  trainer.algorithm.use_kl_in_reward=true \
  trainer.algorithm.loss_reduction=sequence_mean \
  trainer.algorithm.eps_clip_high=0.28 \
  trainer.algorithm.clip_ratio_c=10.0 \
  trainer.train_batch_size=256 \
  trainer.policy_mini_batch_size=64 \
  trainer.policy.optimizer_config.lr=1.0e-6 \
  generator.n_samples_per_prompt=8 \
  generator.sampling_params.max_generate_length=2048 \
  environment.env_class=gsm8k
