// FlowServe: the master of a DP group, its executors, KV handles, the prefill and decode services over them, and the XCCL rank.
export { type Clock, systemClock } from './clock.js';
export { ExecutorEndpoint } from './executor/endpoint.js';
export { masterEpoch } from './executor/epochs.js';
export type {
  Executor,
  ExecutorInfo,
  ExecutorListener,
  ExecutorPlan,
  Identity,
  Readiness,
} from './executor/executor.js';
export { InProcessExecutor, type StepObserver } from './executor/in-process.js';
export { connectExecutor, RemoteExecutor } from './executor/remote.js';
export { localGroup } from './groups/local-group.js';
export { RemoteGroups } from './groups/remote-groups.js';
export { type ClaimedKv, KvClaimClient, type KvClaims } from './kv/claims.js';
export { KvHandles, type KvHandlesOptions } from './kv/handles.js';
export type { HeldKv, KvRegionAddress } from './kv/held-kv.js';
export { DpGroupMaster, type MasterOptions, type MasterStats } from './master/master.js';
export type { Place, RunningSequence } from './master/place.js';
export type { DecodeRequest, SequenceEnd, SequenceRequest, SequenceSink } from './master/sequence.js';
export { ExpertWatch } from './rank/expert-watch.js';
export { expertMembers, expertPlacement } from './rank/placement.js';
export {
  isAttentionOf,
  isExpertOf,
  pullsKvOf,
  RankRuntime,
  servesKvOf,
} from './rank/runtime.js';
export { rankSeat } from './rank/seat.js';
export { exchangeShape, type KvPoolShape, kvPoolShape, numFfnUnits } from './rank/sizes.js';
export { ActiveCalls } from './tasks/active-calls.js';
export { DecodeTaskService, type DpGroups } from './tasks/decode-service.js';
export { PrefillTaskService } from './tasks/prefill-service.js';
export type { ServedModel } from './tasks/validate.js';
export { type OpenHandles, openHandles } from './te/handles.js';
export { joinWithModel, type LoadedModel, servedModel } from './te/join-with-model.js';
export { type LocalTe, openLocalTe } from './te/local-te.js';
export { openExecutor } from './te/open-executor.js';
export {
  batchOptions,
  computeOptions,
  exchangeOptions,
  kvOptions,
  leaseOptions,
  modelOptions,
  queueOptions,
  speculationOptions,
} from './te/options.js';
export { ExpertSpans } from './telemetry/expert-spans.js';
export { registerMasterMetrics } from './telemetry/master-metrics.js';
export { registerModelInfo } from './telemetry/model-info.js';
export { type PreparedWeights, prepareWeights } from './weights/prepare-weights.js';
export { WeightsCache } from './weights/weights-cache.js';
