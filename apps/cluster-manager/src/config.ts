// The cluster-manager's options. The shared ones are not its own: it passes them to the services that know them.
import { fileURLToPath } from 'node:url';
import { byteCount, defineOptions, int, list, option, type ServiceConfig } from '@switchyard/kit';
import { kernelClasses, policyChoices } from '@switchyard/model-files';
import { z } from 'zod';
import { providerNames } from './provider/provider.js';

const port = int({ min: 1, max: 65_535 });
const atRoot = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

/** Options of the services themselves; each service reads those that it knows from its environment. */
export const sharedOptions = defineOptions({
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
    help: 'Kernel class (docs/numerics.md): mla-split computes long prompts of models with latent attention faster',
  }),
  attentionRanks: option({ schema: int({ min: 1, max: 64 }), default: 2, help: 'Attention ranks of topology full' }),
  expertRanks: option({ schema: int({ min: 1, max: 64 }), default: 2, help: 'Expert ranks of topology full' }),
  kvBytes: option({ schema: byteCount({ min: 1 }).optional(), unit: 'bytes', help: 'KV memory of each rank' }),
  blockTokens: option({ schema: int({ min: 1, max: 1024 }).optional(), unit: 'tokens', help: 'Tokens of a KV block' }),
  maxBatchSize: option({ schema: int({ min: 1, max: 65_536 }).optional(), help: 'Sequences a rank runs at once' }),
  maxQueue: option({ schema: int({ min: 0, max: 1_000_000 }).optional(), help: 'Sequences that may wait' }),
  maxPrefillTokens: option({
    schema: int({ min: 1, max: 1_000_000 }).optional(),
    unit: 'tokens',
    help: 'Prompt tokens of one step',
  }),
  threads: option({
    schema: int({ min: 1, max: 256 }).optional(),
    help: 'Threads that compute in each process; by default all cores but one, divided by the processes that compute',
  }),
  numSpeculativeTokens: option({
    schema: int({ min: 0, max: 4 }).optional(),
    unit: 'tokens',
    help: 'Tokens that the MTP layer drafts ahead of each sequence; by default 1 for models that have one, else 0',
  }),
  requestTimeoutMs: option({
    schema: int({ min: 1, max: 86_400_000 }).optional(),
    unit: 'ms',
    help: 'Longest time a request may take',
  }),
});

export const options = defineOptions({
  model: list({
    schema: z.string().min(1),
    default: [atRoot('models/switchyard-tiny')],
    unit: 'PATH',
    help: 'Hugging Face directory or GGUF file of a served model; each has a group of services of its own',
  }),
  name: list({
    schema: z.string().min(1),
    help: 'Name that clients ask for, the n-th that of the n-th model; that of the directory or file by default',
  }),
  provider: option({
    schema: z.enum(providerNames),
    default: 'local',
    help: `Who runs the services: ${providerNames.join(', ')}`,
  }),
  topology: option({
    schema: z.enum(['full', 'pd', 'colocated']),
    default: 'full',
    help: 'full: prefill, decode, attention and expert ranks; pd: prefill and decode; colocated: decode alone',
  }),
  httpPort: option({ schema: port, default: 8080, help: 'Port of the HTTP API on 127.0.0.1' }),
  grpcPort: option({ schema: port, default: 8081, help: 'Port of the public gRPC API on 127.0.0.1' }),
  heartbeatIntervalMs: option({
    schema: int({ min: 50, max: 60_000 }),
    default: 2000,
    unit: 'ms',
    help: 'Time between two heartbeats of a member; its lease is three of them',
  }),
  appsDir: option({
    schema: z.string().startsWith('/', 'must be an absolute path'),
    default: atRoot('apps'),
    unit: 'DIR',
    help: 'Where the local provider finds APP/dist/bundle.js (or main.js, started from its own main.js)',
  }),
  ...sharedOptions,
});

export type ManagerConfig = ServiceConfig<typeof options>;
