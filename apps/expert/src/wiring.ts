// The only place that constructs an expert rank's parts. Which experts it holds follows from the ids of all expert ranks of its
// decode service, so the loop begins when they have joined.
import {
  ExpertSpans,
  exchangeShape,
  expertPlacement,
  isAttentionOf,
  joinWithModel,
  type LoadedModel,
  numFfnUnits,
  RankRuntime,
  rankSeat,
  registerModelInfo,
  systemClock,
} from '@switchyard/flowserve';
import type { ServiceConfig, ServiceContext, Wiring } from '@switchyard/kit';
import { type ExpertPlacement, loadNative, type NativeExpertServer, type NativeModule } from '@switchyard/native';
import { cluster } from '@switchyard/proto';
import type { Membership } from '@switchyard/registry';
import type { options } from './config.js';
import { registerExpertMetrics } from './metrics.js';

type ExpertContext = ServiceContext<ServiceConfig<typeof options>>;

interface Parts {
  context: ExpertContext;
  native: NativeModule;
  model: LoadedModel;
  membership: Membership;
  rank: RankRuntime;
}

export async function wire(context: ExpertContext): Promise<Wiring> {
  const { config, log } = context;
  const native = loadNative();
  const self = { kind: cluster.MemberKind.EXPERT, te: config.te };
  const { model, membership } = await joinWithModel(context, native, self, true);
  registerModelInfo(context.meter, model.registration);
  const rank = new RankRuntime({
    native,
    membership,
    runDir: config.runDir,
    numericClass: model.numericClass,
    appBytes: 0,
    exchange: exchangeShape(model.opened, config.expertRanks),
    seat: rankSeat('expert', membership.id, config),
    talksTo: isAttentionOf(config.te, model.registration.name),
    log,
    meter: context.meter,
    onLost: (error) => context.fail(error),
  });
  const server = serveWhenExpertsJoin({ context, native, model, membership, rank });
  return {
    grpc: [],
    membership,
    async close() {
      server.close();
      rank.close();
    },
  };
}

function serveWhenExpertsJoin(parts: Parts): { close(): void } {
  const { context, membership, model, rank } = parts;
  const { te, expertRanks, exchangeTimeoutMs } = context.config;
  const numExperts = numFfnUnits(model.opened.spec);
  const placementOptions = { te, numExpertRanks: expertRanks, numExperts, timeoutMs: exchangeTimeoutMs };
  const spans = new ExpertSpans({ clock: systemClock, calls: rank.calls });
  let server: NativeExpertServer | null = null;
  registerExpertMetrics(context.meter, () => server);
  context.setReady(false, `waits for ${expertRanks} expert ranks`);
  const look = () => {
    if (server !== null) return;
    const placement = expertPlacement(membership.members(), placementOptions);
    if (placement === null) return;
    server = openServer(parts, placement, spans);
    unsubscribe();
    context.setReady(true);
  };
  const unsubscribe = membership.onChange(look);
  look();
  const close = () => {
    unsubscribe();
    server?.close();
    spans.close();
  };
  return { close };
}

function openServer(
  { context, native, model, rank }: Parts,
  placement: ExpertPlacement,
  spans: ExpertSpans,
): NativeExpertServer {
  const { executorSpec, weights, policy, kernelClass } = model.opened;
  return native.createExpertServer({
    model: executorSpec,
    weights,
    arena: model.arena,
    policy,
    kernelClass,
    communicator: rank.communicator,
    placement,
    threads: context.config.threads,
    onSpans: (measured) => spans.record(measured),
  });
}
