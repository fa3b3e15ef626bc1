// The only place that constructs prefill's parts.
import {
  ActiveCalls,
  joinWithModel,
  openHandles,
  openLocalTe,
  PrefillTaskService,
  pullsKvOf,
  registerMasterMetrics,
  registerModelInfo,
  servedModel,
} from '@switchyard/flowserve';
import type { ServiceConfig, ServiceContext, Wiring } from '@switchyard/kit';
import { loadNative } from '@switchyard/native';
import { cluster } from '@switchyard/proto';
import type { options } from './config.js';

export async function wire(context: ServiceContext<ServiceConfig<typeof options>>): Promise<Wiring> {
  const { config, log, meter } = context;
  const native = loadNative();
  const { model, membership } = await joinWithModel(context, native, { kind: cluster.MemberKind.PREFILL }, true);
  registerModelInfo(meter, model.registration);
  const onLost = (error: Error) => context.fail(error);
  const talksTo = pullsKvOf(model.registration.name);
  const te = openLocalTe({ native, model, membership, config, talksTo, meter, log, onLost });
  const { handles, close } = openHandles(te, model, membership, config.kvLeaseMs);
  const calls = new ActiveCalls();
  const service = new PrefillTaskService({ model: servedModel(model), master: te.master, handles, calls });
  registerMasterMetrics(meter, () => [te.master]);
  return {
    grpc: [service.grpc],
    membership,
    async drain(deadlineMs) {
      const endsAtMs = performance.now() + deadlineMs;
      await calls.drain(deadlineMs);
      await handles.drain(endsAtMs - performance.now());
    },
    async close() {
      close();
      te.close();
    },
  };
}
