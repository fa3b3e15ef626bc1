// Our engine as a colocated decode service runs it: the master of a DP group over the native executor loop, in one process. With `experts`
// the routed experts run in another one.
import { availableParallelism } from 'node:os';
import {
  DpGroupMaster,
  exchangeShape,
  InProcessExecutor,
  kvPoolShape,
  type Place,
  prepareWeights,
  type SequenceSink,
  systemClock,
  WeightsCache,
} from '@switchyard/flowserve';
import type { Logger } from '@switchyard/kit';
import { cacheRowBytes, type KernelClass } from '@switchyard/model';
import { type OpenedModel, openModel } from '@switchyard/model-files';
import { type ArenaFile, loadNative } from '@switchyard/native';
import { ExpertSide, SPLIT_THREADS } from './split.js';
import { BATCH_TOKENS, DECODE_PROMPT_TOKENS, decodeTokens, type Engine, PREFILL_TOKENS, sampling } from './workload.js';

export interface OursOptions {
  modelPath: string;
  /** Where digest and arena lie; they are made when they are not there. */
  cacheDir: string;
  kernelClass: KernelClass;
  /** Runs the routed experts in a process of their own. */
  isSplit: boolean;
}

export interface PreparedModel {
  opened: OpenedModel;
  arena: ArenaFile | null;
}

const BLOCK_TOKENS = 16;
const SEQUENCES_MAX = 32;
const KV_TOKENS =
  SEQUENCES_MAX * (DECODE_PROMPT_TOKENS + decodeTokens(SEQUENCES_MAX) + BLOCK_TOKENS) + PREFILL_TOKENS + BLOCK_TOKENS;
/** For the generations of the blocks. */
const TABLE_BYTES = 64 << 10;
const ACK_TIMEOUT_MS = 60_000;
const identity = { requestId: 'bench', jobId: '', taskId: '', tenant: 'default', cacheSalt: '' };

/** Opens the model as a service does. */
export async function prepareModel(
  modelPath: string,
  cacheDir: string,
  kernelClass: KernelClass,
): Promise<PreparedModel> {
  const opened = await openModel(modelPath, { cacheDir, kernelClass });
  const log = { info: () => {}, warn: () => {} } as unknown as Logger;
  const { signal } = new AbortController();
  const cache = new WeightsCache(cacheDir);
  const common = { native: loadNative(), opened, cache, signal, log };
  const { arena } = await prepareWeights({ ...common, needsArena: true, onProgress: () => {} });
  return { opened, arena };
}

export async function openOurs({ modelPath, cacheDir, kernelClass, isSplit }: OursOptions): Promise<Engine> {
  const native = loadNative();
  const { opened, arena } = await prepareModel(modelPath, cacheDir, kernelClass);
  const { spec, policy } = opened;
  const kvBytes = KV_TOKENS * spec.numLayers * cacheRowBytes(spec, policy) + TABLE_BYTES;
  const { numBlocks, blockTokens, regionBytes } = kvPoolShape(opened, kvBytes, BLOCK_TOKENS, 0);
  const rank = { policy, kernelClass, exchange: exchangeShape(opened, 1), appBytes: regionBytes };
  const experts = isSplit ? await ExpertSide.start({ modelPath, cacheDir, spec, ...rank }) : null;
  const executor = new InProcessExecutor({
    native,
    executor: {
      model: opened.executorSpec,
      weights: opened.weights,
      arena,
      policy: opened.policy,
      kernelClass,
      threads: isSplit ? SPLIT_THREADS : availableParallelism(),
      numBlocks,
      blockTokens,
      maxBatchTokens: SEQUENCES_MAX + BATCH_TOKENS,
      numSpeculativeTokens: 0,
      communicator: experts?.communicator ?? null,
      experts: experts?.placement ?? null,
    },
    memberId: 'bench',
    memberEpoch: 1n,
    observers: [],
  });
  const master = new DpGroupMaster({
    name: 'bench/dp0',
    epoch: 1n,
    executor,
    clock: systemClock,
    maxBatchSize: SEQUENCES_MAX,
    maxQueue: SEQUENCES_MAX,
    maxPrefillTokens: BATCH_TOKENS,
    ackTimeoutMs: ACK_TIMEOUT_MS,
    memberOfRank: (peer) => `rank ${peer}`,
    onReadiness: () => {},
    onLost: (error) => {
      throw error;
    },
  });
  return new Ours(master, experts);
}

/** A prompt whose KV stands in the pool, with its first token. */
interface Prefilled {
  heldId: bigint;
  tokens: number[];
  numPromptTokens: number;
}

class Ours implements Engine {
  constructor(
    private readonly master: DpGroupMaster,
    private readonly experts: ExpertSide | null,
  ) {}

  async firstToken(prompt: readonly number[]): Promise<void> {
    const { heldId } = await this.#prefill(prompt, 1n);
    this.master.dropHeld(heldId);
  }

  async decode(prompts: readonly number[][], numTokens: number, onToken: (sequenceIdx: number) => void): Promise<void> {
    const maxNewTokens = 1 + numTokens;
    const places = prompts.map((prompt) => this.master.reserve(prompt.length + 1 + maxNewTokens));
    const prefilled = await Promise.all(prompts.map((prompt, i) => this.#prefill(prompt, BigInt(i + 1))));
    const answers = places.map((place, i) => {
      return decodeOne(place, prefilled[i] as Prefilled, { maxNewTokens, seed: BigInt(i + 1) }, () => onToken(i));
    });
    await Promise.all(answers);
    for (const place of places) place.release();
  }

  async close(): Promise<void> {
    this.master.close();
    await this.experts?.close();
  }

  async #prefill(prompt: readonly number[], seed: bigint): Promise<Prefilled> {
    const tokens = [...prompt];
    const numPromptTokens = prompt.length;
    let heldId = 0n;
    await untilEnd((end) => {
      const onTokens: SequenceSink['onTokens'] = (some) => tokens.push(...some.map(({ tokenId }) => tokenId));
      const own = { tokens: [...prompt], numPromptTokens, sampling: samplingOf(seed) };
      const request = { identity, ...own, stopTokenIds: [], trace: null };
      heldId = this.master.prefill(request, { ...end, onTokens }).seqId;
    });
    return { heldId, tokens, numPromptTokens };
  }
}

function decodeOne(
  place: Place,
  { heldId, ...tokens }: Prefilled,
  { maxNewTokens, seed }: { maxNewTokens: number; seed: bigint },
  onToken: () => void,
): Promise<void> {
  const own = { maxNewTokens, source: null, adopt: heldId };
  const request = { identity, ...tokens, sampling: samplingOf(seed), stopTokenIds: [], trace: null, ...own };
  return untilEnd((end) => {
    place.start(request, { ...end, onTokens: (some) => some.forEach(onToken) });
  });
}

/** Ends with the sequence that `start` starts; rejects when that fails or loses its blocks. */
function untilEnd(start: (end: Pick<SequenceSink, 'onEnd' | 'onSourceDone'>) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const onEnd: SequenceSink['onEnd'] = (end) => {
      if (end.kind === 'finished') resolve();
      else reject(end.kind === 'failed' ? end.error : new Error('the KV pool of the bench is too small'));
    };
    start({ onEnd, onSourceDone: () => {} });
  });
}

const samplingOf = (seed: bigint) => ({ ...sampling, seed, logprobs: false, topLogprobs: 0 });
