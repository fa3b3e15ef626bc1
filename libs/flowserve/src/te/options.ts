// Options that several task executors and ranks share; the same option has the same name, unit and default in each.
import { byteCount, defineOptions, int, option } from '@switchyard/kit';
import { kernelClasses, policyChoices } from '@switchyard/model';
import { z } from 'zod';

export const modelOptions = defineOptions({
  model: option({
    schema: z.string().min(1),
    default: 'models/switchyard-tiny',
    unit: 'PATH',
    help: 'Hugging Face directory or GGUF file of the served model',
  }),
  name: option({
    schema: z.string().min(1).optional(),
    help: 'Name that clients ask for; that of the directory or file by default',
  }),
  cacheDir: option({
    schema: z.string().min(1).optional(),
    unit: 'DIR',
    help: 'Where packed weights and descriptions of models are kept between starts; $XDG_CACHE_HOME/switchyard or ~/.cache/switchyard by default',
  }),
  policy: option({
    schema: z.enum(policyChoices),
    default: 'auto',
    help: 'Numeric policy (docs/numerics.md): fp32 widens quantised weights; auto is what the checkpoint is made for',
  }),
  kernelClass: option({
    schema: z.enum(kernelClasses),
    default: 'fma16',
    help: 'Kernel class (docs/numerics.md): mla-split computes long prompts of models with latent attention faster; equal in all services of a model',
  }),
});

export const kvOptions = defineOptions({
  kvBytes: option({
    schema: byteCount({ min: 1024 }),
    default: 128 * 2 ** 20,
    unit: 'bytes',
    help: 'Memory for KV blocks; pages are used as blocks are',
  }),
  blockTokens: option({
    schema: int({ min: 1, max: 1024 }),
    default: 16,
    unit: 'tokens',
    help: 'Tokens of a KV block; equal in all services of a system',
  }),
});

export const batchOptions = defineOptions({
  maxBatchSize: option({
    schema: int({ min: 1, max: 65_536 }),
    default: 64,
    help: 'Sequences that a DP group runs at once',
  }),
  maxPrefillTokens: option({
    schema: int({ min: 1, max: 1_000_000 }),
    default: 256,
    unit: 'tokens',
    help: 'Prompt tokens computed in one step; a longer prompt takes several',
  }),
});

export const computeOptions = defineOptions({
  threads: option({
    schema: int({ min: 1, max: 256 }),
    default: 1,
    help: 'Threads that compute in this process; npm start divides all cores but one among the processes that compute',
  }),
});

export const speculationOptions = defineOptions({
  numSpeculativeTokens: option({
    schema: int({ min: 0, max: 4 }).optional(),
    unit: 'tokens',
    help: 'Tokens that the MTP layer drafts ahead of each sequence; by default 1 for models that have one, else 0. 0 in all services of a model or in none',
  }),
});

export const queueOptions = defineOptions({
  maxQueue: option({
    schema: int({ min: 0, max: 1_000_000 }),
    default: 256,
    help: 'Requests that may wait in a DP group; one more is refused with a hint when to try again',
  }),
  ackTimeoutMs: option({
    schema: int({ min: 100, max: 3_600_000 }),
    default: 10_000,
    unit: 'ms',
    help: 'An executor that does not acknowledge a plan for this long counts as lost',
  }),
});

export const leaseOptions = defineOptions({
  kvLeaseMs: option({
    schema: int({ min: 100, max: 3_600_000 }),
    default: 30_000,
    unit: 'ms',
    help: 'How long the KV of a finished prefill is kept when nobody claims it',
  }),
});

export const exchangeOptions = defineOptions({
  te: option({
    schema: z.string().min(1),
    default: 'decode-0',
    help: 'Id of the decode service that this rank belongs to',
  }),
  attentionRanks: option({
    schema: int({ min: 1, max: 64 }),
    default: 2,
    help: 'Attention ranks of that decode service; for pinning',
  }),
  expertRanks: option({ schema: int({ min: 1, max: 64 }), default: 2, help: 'Expert ranks of that decode service' }),
  exchangeTimeoutMs: option({
    schema: int({ min: 10, max: 600_000 }),
    default: 1500,
    unit: 'ms',
    help: 'Longest wait for the experts of one layer; a death is noticed sooner',
  }),
});
