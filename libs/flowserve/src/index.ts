// FlowServe: the master of a DP group, its executors, KV handles, and the prefill and decode services over them.
export { type Clock, systemClock } from './clock.js';
export type { Executor, ExecutorInfo, ExecutorListener, Readiness } from './executor/executor.js';
export { DpGroupMaster, type MasterOptions, type MasterStats } from './master/master.js';
export type { Place, RunningSequence } from './master/place.js';
export type { DecodeRequest, SequenceEnd, SequenceRequest, SequenceSink } from './master/sequence.js';
