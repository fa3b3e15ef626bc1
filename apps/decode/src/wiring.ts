// The only place that constructs decode's parts. Modes differ in where the DP groups run and in whether this process prefills.
import {
  ActiveCalls,
  DecodeTaskService,
  joinWithModel,
  KvClaimClient,
  type LoadedModel,
  registerMasterMetrics,
  registerModelInfo,
  servedModel,
} from '@switchyard/flowserve';
import type { ServiceConfig, ServiceContext, Wiring } from '@switchyard/kit';
import { loadNative, type NativeModule } from '@switchyard/native';
import { cluster } from '@switchyard/proto';
import type { Membership } from '@switchyard/registry';
import type { modes, options } from './config.js';
import { type Engine, openColocated, openFull, openPd } from './engines.js';

export type DecodeContext = ServiceContext<ServiceConfig<typeof options>>;

export interface DecodeParts {
  context: DecodeContext;
  native: NativeModule;
  model: LoadedModel;
  membership: Membership;
}

const engines: Record<(typeof modes)[number], (parts: DecodeParts) => Engine> = {
  full: openFull,
  pd: openPd,
  colocated: openColocated,
};

export async function wire(context: DecodeContext): Promise<Wiring> {
  const { config, log, meter } = context;
  const native = loadNative();
  const self = { kind: cluster.MemberKind.DECODE, colocated: config.mode === 'colocated' };
  const { model, membership } = await joinWithModel(context, native, self, config.mode !== 'full');
  registerModelInfo(meter, model.registration);
  const engine = engines[config.mode]({ context, native, model, membership });
  const { claimTimeoutMs, startTimeoutMs } = config;
  const claims = new KvClaimClient({ membership, local: engine.handles, claimTimeoutMs, log });
  const calls = new ActiveCalls();
  const { groups } = engine;
  const service = new DecodeTaskService({ model: servedModel(model), groups, claims, calls, startTimeoutMs });
  registerMasterMetrics(meter, () => groups.masters());
  return {
    grpc: [service.grpc, ...engine.grpc],
    membership,
    async drain(deadlineMs) {
      await calls.drain(deadlineMs);
    },
    async close() {
      engine.close();
    },
  };
}
