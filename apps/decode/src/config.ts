// The options of decode; those that every service has are the kit's.
import {
  batchOptions,
  computeOptions,
  kvOptions,
  leaseOptions,
  modelOptions,
  queueOptions,
  speculationOptions,
} from '@switchyard/flowserve';
import { defineOptions, int, option } from '@switchyard/kit';
import { z } from 'zod';

export const modes = ['full', 'pd', 'colocated'] as const;

export const options = defineOptions({
  mode: option({
    schema: z.enum(modes),
    default: 'full',
    help: 'full: attention ranks run the steps; pd: this process does, after prefill services; colocated: it prefills too',
  }),
  ...modelOptions,
  ...kvOptions,
  ...batchOptions,
  ...computeOptions,
  ...speculationOptions,
  ...queueOptions,
  ...leaseOptions,
  attentionRanks: option({
    schema: int({ min: 1, max: 64 }),
    default: 2,
    help: 'Attention ranks to wait for before the first request (mode full); later one is enough',
  }),
  claimTimeoutMs: option({
    schema: int({ min: 10, max: 600_000 }),
    default: 2000,
    unit: 'ms',
    help: 'Longest wait for a prefill service to answer the claim of a KV handle',
  }),
  connectTimeoutMs: option({
    schema: int({ min: 10, max: 600_000 }),
    default: 2000,
    unit: 'ms',
    help: 'Longest wait for an attention rank to answer',
  }),
  startTimeoutMs: option({
    schema: int({ min: 100, max: 3_600_000 }),
    default: 120_000,
    unit: 'ms',
    help: 'How long a place in the queue is kept while the prompt is prefilled',
  }),
});
