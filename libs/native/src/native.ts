// The whole surface of the native addon, in the addon's order. Plain data in, plain data out; `null` means absent;
// objects that hold native resources have close(). Only libs/native loads the .node file.
// 64-bit ids, epochs and nanoseconds are bigint; token ids, block ids, ranks and counts are numbers.
import type {
  ExecutorSpec,
  KernelClass,
  NumericPolicy,
  TensorDtype,
  WeightPlan,
  WeightTensor,
} from '@switchyard/model';

/** Code of a native error: the `code` property of every Error the addon throws, and of faults in events (docs/errors.md). */
export type NativeErrorCode =
  | 'INVALID_ARGUMENT'
  | 'PEER_DEAD'
  | 'TIMEOUT'
  | 'MISMATCH'
  | 'STALE'
  | 'CORRUPT'
  | 'CLOSED'
  | 'RESOURCE_EXHAUSTED'
  | 'IO'
  | 'UNSUPPORTED'
  | 'INTERNAL';

export interface NativeModule {
  describe(): NativeDescription;
  /** "policy/kernelClass/contractVersion/hash": the hash is over the output bits of a fixed self-test (D2). */
  numericClass(policy: NumericPolicy, kernelClass: KernelClass): string;
  createCommunicator(options: CommunicatorOptions): NativeCommunicator;
  /** Takes a lock between processes, whose file this makes; null while another has it. Free too when its owner dies. */
  tryLockFile(path: string): FileLock | null;
  /** Writes all weights of a model, packed, to an arena that the other calls map. At once and beside the event loop. */
  packModel(options: PackOptions): PackRun;
  /** Throws IO, MISMATCH or CORRUPT for an arena that the others could not map. */
  checkArena(arena: ArenaFile): void;
  createExecutor(options: ExecutorOptions): NativeExecutor;
  createExpertServer(options: ExpertServerOptions): NativeExpertServer;
  /** Runs the whole model over one token sequence, all of it a prompt, before it returns: the reference for goldens, never used for serving. */
  evaluate(options: EvaluateOptions): Evaluation;
  /** What the loader makes of whole blocks of a stored type (fp8 without its scales): for goldens. */
  widen(options: { dtype: TensorDtype; bytes: Uint8Array }): Float32Array;
  /** Rows of a matrix of any stored type as INT8 with a scale a row (native/executor/weights/narrow_rows.h): for checkpoints. */
  quantizeRows(options: MatrixRows & { scaleDtype: 'BF16' | 'F32' }): QuantizedRows;
  /** The same rows to the nearest bfloat16, in its bits: [numRows, columns]. */
  roundRows(options: MatrixRows): Uint16Array;
}

export interface NativeDescription {
  /** Instruction sets this machine and build can run, slowest first: 'scalar', 'avx2', 'avxvnni', 'avx512',
   * 'avx512vnni', 'avx512bf16'. */
  isas: string[];
  /** The one in use (SWITCHYARD_ISA forces it). */
  isa: string;
  contractVersion: number;
  /** Part of an arena's key: raised whenever its bytes change. */
  arenaLayoutVersion: number;
}

// ---- XCCL ----

export interface CommunicatorOptions {
  name: string;
  rank: number;
  epoch: bigint;
  /** Under 108 bytes, in a folder of mode 0700. */
  socketPath: string;
  /** 16 bytes that all members share. */
  nonce: Uint8Array;
  /** Numeric class; two ranks whose non-empty values differ refuse each other. */
  compatibility: string;
  /** Size of the app data area in bytes (an executor's KV region is placed in it), 0 for none. */
  appBytes: number;
  zcBytes: number;
  maxRanks: number;
  /** Sizes of the A2E/E2A slots; null when this rank neither sends nor serves experts. */
  exchange: ExchangeShape | null;
  livenessTimeoutMs: number;
  /** Which of the attention or expert ranks this is, for SWITCHYARD_XCCL_PIN; null for a rank that is neither: it runs anywhere. */
  seat: RankSeat | null;
  /** Counts every call of the data plane, by link and primitive. */
  telemetry: boolean;
  onPeerChange: (change: PeerChange) => void;
}

/** A place among the ranks that exchange: from all of them follows on which core each computes. */
export interface RankSeat {
  role: 'attention' | 'expert';
  /** Below the number of its role. */
  idx: number;
  numAttention: number;
  numExpert: number;
  /** Threads that compute for each rank, as `threads` of its executor or expert server; more than one need a core each. */
  numThreads: number;
}

export interface ExchangeShape {
  /** Rows of one A2E message at most. */
  maxTokens: number;
  rowBytes: number;
  topK: number;
  maxLocalExperts: number;
}

export interface PeerChange {
  rank: number;
  epoch: bigint;
  state: 'linked' | 'dead' | 'refused';
  reason: string;
  /**
   * Why, for `dead` and `refused`. A peer dead by CORRUPT means that this rank's own segment is spoilt, by
   * TIMEOUT that the peer gave this rank up because it stood still: in both cases this rank needs a new epoch.
   */
  code: NativeErrorCode | null;
}

export interface NativeCommunicator {
  /** Makes a peer known; of a pair the one with the larger (epoch, rank) dials. A higher epoch replaces a lower one. */
  expectPeer(peer: { rank: number; epoch: bigint; socketPath: string }): void;
  forgetPeer(rank: number): void;
  peers(): PeerChange[];
  /** What was counted since the start, of each primitive and peer with calls; empty without `telemetry`. For every scrape. */
  telemetry(): PrimitiveStats[];
  /** How often a worker was moved to another core, or home, since others' work held its own (`refugeCores`). */
  numCoreMoves(): bigint;
  /** Records of these calls, of which the last 1024 are kept; empty without `telemetry`. For traces. */
  calls(range: CallRange): CallRecords;
  /**
   * Tells a saturated peer from a dead link. Rejects with INVALID_ARGUMENT for an impossible rank and CLOSED; an unlinked or
   * silent peer is an answer. Takes as long as the peer takes to answer, at most `timeoutMs`.
   */
  probe(rank: number, timeoutMs: number): Promise<ProbeReport>;
  close(): void;
}

/** All calls of one primitive with one peer. Bytes of calls with several peers count for each peer, the rest with `peer` null. */
export interface PrimitiveStats {
  /** "send", "recv", "get", "a2e_send", "e2a_wait", "all_to_all", ... (docs/xccl.md) */
  primitive: string;
  peer: number | null;
  /** The sum of durationBuckets. */
  numCalls: bigint;
  numErrors: bigint;
  bytes: bigint;
  durationNs: bigint;
  /** Part of durationNs: waiting for arrivals, free slots, answers. */
  waitNs: bigint;
  /** Part of durationNs: moving payload. */
  copyNs: bigint;
  /** [36]: element i counts calls of 2^i to 2^(i+1) ns, the first and the last also what lies beyond. */
  durationBuckets: bigint[];
}

/** Calls [first, end) of a communicator, numbered from 0 in the order in which they ended; what has not ended yet is left out. */
export interface CallRange {
  first: bigint;
  end: bigint;
}

export interface CallRecords {
  /** In their order. */
  calls: CallRecord[];
  /** Calls of the range that later ones have overwritten. */
  numLost: bigint;
}

export interface CallRecord {
  primitive: string;
  /** Of a call with several peers the one that made it wait or fail; null where none is known to have. */
  peer: number | null;
  code: NativeErrorCode | null;
  /** With `layer` and `microBatch` the event of an exchange; of a message or a group call its event id. 0n for calls without any. */
  step: bigint;
  layer: number;
  microBatch: number;
  startUnixNs: bigint;
  durationNs: bigint;
  /** For all its peers together; 0n when it failed. */
  bytes: bigint;
}

export interface ProbeReport {
  /** `saturated`: answers, but takes nothing of what lies unread. `dead`: no answer in time, or the link is over. */
  state: 'healthy' | 'saturated' | 'dead';
  /** For `dead`: TIMEOUT when no answer came, PEER_DEAD when the link is over. */
  code: NativeErrorCode | null;
  reason: string;
  /** 0n without an answer. */
  roundTripNs: bigint;
  /** Messages of this rank that the peer has not taken or answered. */
  numUnread: number;
  isBusy: boolean;
  hasProgressed: boolean;
}

// ---- Executor ----

/** Where the weights come from. */
export interface WeightSource {
  model: ExecutorSpec;
  weights: WeightPlan;
  /** Holds the weights, ready to map: the files of `weights` are not touched then. Null reads (and packs) them in this call. */
  arena: ArenaFile | null;
  policy: NumericPolicy;
  /** `mla-split` for a model without latent attention is INVALID_ARGUMENT. Its arenas hold more than those of `fma16`. */
  kernelClass: KernelClass;
}

/** A file that packModel has made. Opening it under another key is MISMATCH, a damaged one CORRUPT. */
export interface ArenaFile {
  path: string;
  /** At most 64 bytes that name the weights, the policy, the kernel class and the layout. */
  key: string;
}

export interface FileLock {
  /** Removes the lock's file. Idempotent. */
  release(): void;
}

export interface PackOptions extends WeightSource {
  /** Where to write. It appears when it is whole; meanwhile `PATH.tmp` is there, which one caller at a time may own. */
  arena: ArenaFile;
}

export interface PackRun {
  /** Rejects with the codes of bad weight files, IO, and CLOSED when cancelled. */
  done: Promise<void>;
  /** Bytes of the tensors of the files. */
  progress(): { doneBytes: number; totalBytes: number };
  /** Ends it before the next tensor. */
  cancel(): void;
}

export interface ExecutorOptions extends WeightSource {
  /** Blocks of the KV pool; its region lies in the communicator's app area when there is one. */
  numBlocks: number;
  blockTokens: number;
  /** Rows of one forward pass at most (decode rows and prefill rows together). */
  maxBatchTokens: number;
  /**
   * Tokens that the MTP layer drafts ahead of a decoding sequence at most, 0 to 4; the answers do not depend on it. Above 0 the blocks of
   * the pool hold that layer's KV too. UNSUPPORTED for a model without such a layer.
   */
  numSpeculativeTokens: number;
  /** Threads that compute, the loop's own among them: 1 to 256. Idle ones sleep; results do not depend on their number. */
  threads: number;
  communicator: NativeCommunicator | null;
  /** Where routed experts run; null computes them here. */
  experts: ExpertPlacement | null;
  /** Called with all events since the last call, in order; never concurrently. */
  onSteps: (events: StepEvent[]) => void;
}

export interface ExpertPlacement {
  version: number;
  /** expertToRank[expert] = rank in the communicator that owns it. */
  expertToRank: number[];
  /** Longest wait for the experts of one layer, in ms; death is noticed sooner. */
  timeoutMs: number;
}

export interface NativeExecutor {
  /** Queues a plan; it takes effect at the next step boundary. Throws INVALID_ARGUMENT for what can be seen at once. */
  submit(plan: Plan): void;
  kvRegion(): KvRegion;
  /** Generation of each of these blocks now: what a KV claim is answered with (D1). */
  blockGenerations(blocks: number[]): bigint[];
  /** Ends the loop after the step in progress; no event follows. Idempotent. */
  close(): void;
}

/** Where the KV blocks lie in the app area of this executor's communicator. */
export interface KvRegion {
  offset: bigint;
  blockBytes: number;
  numBlocks: number;
  blockTokens: number;
  /**
   * A uint64 a block, raised whenever the block is granted to a sequence, before anything is written to it. Blocks that a new
   * sequence brings along with rows already computed in them (`numComputed` without `source`) are not granted anew.
   */
  generationOffset: bigint;
  layoutVersion: number;
}

/** D3: deltas from the DP group's master. Applied in the order add, grant, remove, at a step boundary. */
export interface Plan {
  masterEpoch: bigint;
  /** Strictly ascending by one within an epoch; a higher epoch drops all sequences of the old one first. */
  planSeq: bigint;
  /** Prefill rows a step at most, over all sequences. */
  maxPrefillTokens: number;
  add: SequenceSpec[];
  grant: BlockGrant[];
  remove: bigint[];
  /** Goes on after a fault. */
  resume: boolean;
}

export interface SequenceSpec {
  seqId: bigint;
  /** Prompt and the tokens generated so far, if any. */
  tokens: number[];
  /** How many of `tokens` are the prompt, 1 or more: kernel class `mla-split` computes these otherwise. */
  numPromptTokens: number;
  /** Positions whose KV stands in the blocks already or comes from `source`; rows are computed from here on. */
  numComputed: number;
  /** Block table in position order; more come by grants. */
  blocks: number[];
  source: KvSource | null;
  sampling: SamplingSpec;
  /** Tokens this sequence may still generate. */
  maxNewTokens: number;
  /** Sampling one of these finishes the sequence; the token is reported. */
  stopTokenIds: number[];
  /** Keeps the KV of the finished sequence until the master removes it (prefill). */
  hold: boolean;
  /** Present when the request is sampled for tracing. */
  trace: TraceRef | null;
}

export interface TraceRef {
  /** 32 hex digits. */
  traceId: string;
  /** 16 hex digits. */
  spanId: string;
}

export interface SamplingSpec {
  /** 0 is argmax. */
  temperature: number;
  /** 0 is off. */
  topK: number;
  /** 1 is off. */
  topP: number;
  /** 0 is off. */
  minP: number;
  seed: bigint;
  /** Report the log-probability of each token. */
  logprobs: boolean;
  /** Also report this many best alternatives, 0 to 20. */
  topLogprobs: number;
}

/** Blocks of another rank, claimed by the master (D1). */
export interface KvSource {
  rank: number;
  epoch: bigint;
  regionOffset: bigint;
  generationOffset: bigint;
  blockBytes: number;
  layoutVersion: number;
  blocks: number[];
  generations: bigint[];
  numTokens: number;
}

export interface BlockGrant {
  seqId: bigint;
  blocks: number[];
}

/** One a step, or without tokens when an idle rank acknowledges a plan. */
export interface StepEvent {
  masterEpoch: bigint;
  appliedPlanSeq: bigint;
  step: bigint;
  tokens: StepToken[];
  finished: { seqId: bigint; reason: 'stop' | 'length' }[];
  /** Skipped for want of a granted block. */
  starved: bigint[];
  /** Sequences whose KV pull is complete: the claim can be released. */
  pulled: bigint[];
  /** Sequences that cannot go on; the rank has dropped them. */
  failed: { seqId: bigint; code: NativeErrorCode; message: string }[];
  /** The step was rolled back; the loop waits for `resume` or for its sequences to be removed. */
  fault: { rank: number; code: NativeErrorCode; message: string } | null;
  timing: StepTiming | null;
}

export interface StepToken {
  seqId: bigint;
  /** Index of the token in its sequence. */
  position: number;
  tokenId: number;
  /** log-softmax of the raw logits at tokenId; NaN when not asked for. */
  logprob: number;
  topTokenIds: number[];
  topLogprobs: number[];
}

/** For spans and metrics; wall-clock start, durations by the monotonic clock. */
export interface StepTiming {
  startUnixNs: bigint;
  durationNs: bigint;
  /** Of decoding sequences, those of their drafts among them. */
  numDecodeRows: number;
  numPrefillRows: number;
  /** Sum over the step's MoE layers of writing A2E messages. */
  a2eNs: bigint;
  /** Sum over the step's MoE layers of waiting for E2A. */
  e2aWaitNs: bigint;
  pullStartUnixNs: bigint;
  pullNs: bigint;
  pullBytes: number;
  /** Sequences whose drafts this step verified. */
  numDrafts: number;
  /** Their drafted tokens, each a row among numDecodeRows. */
  numDraftTokens: number;
  /** [4]: drafted tokens that were right, by their place in the draft. */
  numAcceptedTokens: number[];
  /** Sampled sequences with rows in this step, and the pulled ones: seqId of each. */
  tracedSeqIds: bigint[];
  /** The communicator's calls in this step, those of its pulls among them. */
  calls: CallRange;
}

// ---- Expert server ----

export interface ExpertServerOptions extends WeightSource {
  communicator: NativeCommunicator;
  placement: ExpertPlacement;
  /** Threads that compute, the server's own among them: 1 to 256. */
  threads: number;
  /** Called with all spans of sampled requests since the last call. */
  onSpans: (spans: ExpertSpan[]) => void;
}

/** The work of this expert rank for one attention rank's step (all its MoE layers), for one sampled request. */
export interface ExpertSpan {
  trace: TraceRef;
  fromRank: number;
  /** Forward passes of the attention rank so far: its step, unless some step was too large for one pass. */
  step: bigint;
  startUnixNs: bigint;
  durationNs: bigint;
  computeNs: bigint;
  numLayers: number;
  numPairs: number;
  /** This rank's calls from the first of these layers to the last, those for other attention ranks among them. */
  calls: CallRange;
}

export interface NativeExpertServer {
  stats(): { numMessages: bigint; numPairs: bigint; computeNs: bigint };
  close(): void;
}

// ---- Reference evaluation ----

export interface EvaluateOptions extends WeightSource {
  tokens: number[];
  /** Rows of a forward pass, at least 1; the logits do not depend on it. With mtp all rows run in one. */
  chunkTokens: number;
  mtp: boolean;
  /** Threads that compute, the calling one among them: 1 to 256. */
  threads: number;
}

export interface Evaluation {
  /** [tokens.length, vocabSize], row-major. */
  logits: Float32Array;
  /** [tokens.length - 1, vocabSize]: row i predicts token i + 2; null without mtp. */
  mtpLogits: Float32Array | null;
}

// ---- Narrower weights ----

/** Some rows of a matrix in a weight file. */
export interface MatrixRows {
  /** As in a WeightPlan: with its scales where its type has them. */
  tensor: WeightTensor;
  firstRow: number;
  numRows: number;
}

export interface QuantizedRows {
  /** [numRows, columns], from -127 to 127. */
  values: Int8Array;
  /** [numRows], rounded to `scaleDtype`. A weight is its value times its row's scale. */
  scales: Float32Array;
}
