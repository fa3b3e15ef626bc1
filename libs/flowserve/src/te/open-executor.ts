// The native executor of a process, with its spans and metrics. Built by an attention rank's wiring and by the engine of a
// TE that runs in one process.
import type { Meter } from '@opentelemetry/api';
import type { ExpertPlacement, NativeModule } from '@switchyard/native';
import type { Membership } from '@switchyard/registry';
import { InProcessExecutor } from '../executor/in-process.js';
import type { RankRuntime } from '../rank/runtime.js';
import { kvPoolShape } from '../rank/sizes.js';
import { StepMetrics } from '../telemetry/step-metrics.js';
import { StepSpans } from '../telemetry/step-spans.js';
import type { LoadedModel } from './join-with-model.js';

export interface ExecutorParts {
  native: NativeModule;
  model: LoadedModel;
  membership: Membership;
  config: { kvBytes: number; blockTokens: number; maxBatchSize: number; maxPrefillTokens: number; threads: number };
  meter: Meter;
  /** The XCCL rank whose app area holds the KV region; null where no other rank reads it. */
  rank: RankRuntime | null;
  /** Where routed experts run; null computes them here. */
  experts: ExpertPlacement | null;
}

export function openExecutor(parts: ExecutorParts): InProcessExecutor {
  const { native, model, membership, config, meter, rank, experts } = parts;
  const { executorSpec, weights, policy, kernelClass } = model.opened;
  const { numSpeculativeTokens } = model;
  const { numBlocks, blockTokens } = kvPoolShape(
    model.opened,
    config.kvBytes,
    config.blockTokens,
    numSpeculativeTokens,
  );
  return new InProcessExecutor({
    native,
    executor: {
      model: executorSpec,
      weights,
      arena: model.arena,
      policy,
      kernelClass,
      numBlocks,
      blockTokens,
      maxBatchTokens: config.maxBatchSize + config.maxPrefillTokens,
      numSpeculativeTokens,
      threads: config.threads,
      communicator: rank?.communicator ?? null,
      experts,
    },
    memberId: membership.id,
    memberEpoch: membership.epoch,
    observers: [new StepSpans(rank?.calls ?? null), new StepMetrics(meter)],
  });
}
