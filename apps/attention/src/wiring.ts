// The only place that constructs an attention rank's parts. The executor needs to know the ranks of all experts, so it is made
// when they have joined; until then, and whenever one of them is away, the rank does not serve.
import {
  ExecutorEndpoint,
  ExpertWatch,
  exchangeShape,
  expertPlacement,
  type InProcessExecutor,
  isExpertOf,
  joinWithModel,
  kvPoolShape,
  type LoadedModel,
  numFfnUnits,
  openExecutor,
  RankRuntime,
  rankSeat,
  registerModelInfo,
  servesKvOf,
} from '@switchyard/flowserve';
import type { ServiceConfig, ServiceContext, Wiring } from '@switchyard/kit';
import { loadNative, type NativeModule } from '@switchyard/native';
import { cluster } from '@switchyard/proto';
import type { Member, Membership } from '@switchyard/registry';
import type { options } from './config.js';

type AttentionContext = ServiceContext<ServiceConfig<typeof options>>;

interface Parts {
  context: AttentionContext;
  native: NativeModule;
  model: LoadedModel;
  membership: Membership;
  rank: RankRuntime;
}

export async function wire(context: AttentionContext): Promise<Wiring> {
  const { config, log } = context;
  const native = loadNative();
  const self = { kind: cluster.MemberKind.ATTENTION, te: config.te };
  const { model, membership } = await joinWithModel(context, native, self, true);
  registerModelInfo(context.meter, model.registration);
  const rank = openRank(context, native, model, membership);
  const endpoint = new ExecutorEndpoint({ memberId: membership.id, model: model.registration, log });
  const executor = serveWhenExpertsJoin({ context, native, model, membership, rank }, endpoint);
  return {
    grpc: [endpoint.grpc],
    membership,
    async close() {
      executor.close();
      rank.close();
    },
  };
}

function openRank(context: AttentionContext, native: NativeModule, model: LoadedModel, membership: Membership) {
  const { config, log } = context;
  const { name } = model.registration;
  const isExpert = isExpertOf(config.te, name);
  const servesKv = servesKvOf(name);
  return new RankRuntime({
    native,
    membership,
    runDir: config.runDir,
    numericClass: model.numericClass,
    appBytes: kvPoolShape(model.opened, config.kvBytes, config.blockTokens, model.numSpeculativeTokens).regionBytes,
    exchange: exchangeShape(model.opened, config.expertRanks),
    seat: rankSeat('attention', membership.id, config),
    talksTo: (member: Member) => servesKv(member) || isExpert(member),
    log,
    meter: context.meter,
    onLost: (error) => context.fail(error),
  });
}

/** Makes the executor once all experts have joined, and tells endpoint and membership whenever one comes or goes. */
function serveWhenExpertsJoin(parts: Parts, endpoint: ExecutorEndpoint): { close(): void } {
  const { context, membership, rank, model } = parts;
  const { te, expertRanks, exchangeTimeoutMs } = context.config;
  const isLinkedTo = (memberId: string, epoch: bigint) => rank.isLinkedTo(memberId, epoch);
  const watch = new ExpertWatch({ te, numExpertRanks: expertRanks, isLinkedTo });
  const placementOptions = {
    te,
    numExpertRanks: expertRanks,
    numExperts: numFfnUnits(model.opened.spec),
    timeoutMs: exchangeTimeoutMs,
  };
  let executor: InProcessExecutor | null = null;
  const look = () => {
    const members = membership.members();
    if (executor === null) {
      const placement = expertPlacement(members, placementOptions);
      if (placement !== null) {
        const { config, meter } = context;
        executor = openExecutor({ ...parts, config, meter, experts: placement });
        endpoint.attach(executor);
      }
    }
    const readiness = watch.readiness(members);
    executor?.setReadiness(readiness);
    if (readiness.ready) context.setReady(true);
    else context.setReady(false, `${readiness.member} ${readiness.reason}`);
  };
  rank.onChange(look);
  look();
  return { close: () => executor?.close() };
}
