// What runs the sequences of a decode TE in each mode: DP groups on attention ranks, or one in this process. Used by wiring.ts.
import {
  ActiveCalls,
  type DpGroups,
  type KvHandles,
  localGroup,
  openHandles,
  openLocalTe,
  PrefillTaskService,
  RemoteGroups,
  servedModel,
  servesKvOf,
  systemClock,
} from '@switchyard/flowserve';
import type { GrpcService } from '@switchyard/kit';
import type { DecodeParts } from './wiring.js';

export interface Engine {
  groups: DpGroups;
  /** Services beside DecodeService. */
  grpc: GrpcService[];
  /** KV handles of this process, when it prefills. */
  handles: KvHandles | null;
  close(): void;
}

/** The steps run on attention ranks; this process holds no weights. */
export function openFull({ context, model, membership }: DecodeParts): Engine {
  const { config, log } = context;
  const { maxBatchSize, maxQueue, maxPrefillTokens, ackTimeoutMs, attentionRanks, connectTimeoutMs } = config;
  let numNeeded = attentionRanks;
  context.setReady(false, `waits for ${attentionRanks} attention ranks`);
  const groups: RemoteGroups = new RemoteGroups({
    membership,
    model: model.registration,
    clock: systemClock,
    log,
    connectTimeoutMs,
    limits: { maxBatchSize, maxQueue, maxPrefillTokens, ackTimeoutMs },
    onChange: () => {
      const { numUsable } = groups;
      const isReady = numUsable >= numNeeded;
      // All are awaited once, so that a system starts whole; then it serves with what is left.
      if (isReady) numNeeded = 1;
      context.setReady(isReady, isReady ? undefined : `has ${numUsable} of ${numNeeded} attention ranks`);
    },
  });
  return { groups, grpc: [], handles: null, close: () => groups.close() };
}

/** This process runs whole models, on KV that it copies from prefill services. */
export function openPd({ context, native, model, membership }: DecodeParts): Engine {
  const { config, log, meter } = context;
  const onLost = (error: Error) => context.fail(error);
  const talksTo = servesKvOf(model.registration.name);
  const te = openLocalTe({ native, model, membership, config, talksTo, meter, log, onLost });
  return { groups: localGroup(te.master), grpc: [], handles: null, close: () => te.close() };
}

/** One master schedules prefill and decode on one pool; a claim hands the blocks over without a copy. */
export function openColocated({ context, native, model, membership }: DecodeParts): Engine {
  const { config, log, meter } = context;
  const onLost = (error: Error) => context.fail(error);
  const te = openLocalTe({ native, model, membership, config, talksTo: null, meter, log, onLost });
  const { handles, close } = openHandles(te, model, membership, config.kvLeaseMs);
  // Decodes that run may be preempted and need a prefill, so prefills go on while decodes drain.
  const calls = new ActiveCalls();
  const prefill = new PrefillTaskService({ model: servedModel(model), master: te.master, handles, calls });
  const closeAll = () => {
    close();
    te.close();
  };
  return { groups: localGroup(te.master), grpc: [prefill.grpc], handles, close: closeAll };
}
