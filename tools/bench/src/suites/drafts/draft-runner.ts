// One native executor with a number of drafts, driven without a master: all blocks of a sequence are granted at its start.
import type { OpenedModel } from '@switchyard/model-files';
import { loadNative, type NativeExecutor, type SequenceSpec, type StepEvent } from '@switchyard/native';

export interface Figures {
  tokensPerSecond: number;
  /** Of each sequence: tokens over the steps that computed rows of decoding sequences alone. */
  tokensPerStep: number;
}

const BLOCK_TOKENS = 16;
const BLOCKS_OF_SEQUENCE = 16;
const MAX_TOKENS = 64;
const SEQUENCES_MAX = 16;
const PREFILL_TOKENS = 256;
const sampling = { temperature: 0, topK: 0, topP: 1, minP: 0, seed: 0n, logprobs: false, topLogprobs: 0 };

/** What is known of the sequences that run. */
interface Wave {
  numTokens: number;
  numSequenceSteps: number;
  numMissing: number;
  numUnstarted: number;
  startedAt: number;
  resolve: (wave: Wave) => void;
}

export class DraftRunner {
  readonly #executor: NativeExecutor;
  #planSeq = 0n;
  #nextSeqId = 0n;
  #wave: Wave | null = null;

  constructor({ executorSpec: model, weights, policy }: OpenedModel, numSpeculativeTokens: number) {
    this.#executor = loadNative().createExecutor({
      model,
      weights,
      arena: null,
      policy,
      kernelClass: 'fma16',
      numBlocks: SEQUENCES_MAX * BLOCKS_OF_SEQUENCE,
      blockTokens: BLOCK_TOKENS,
      maxBatchTokens: SEQUENCES_MAX + PREFILL_TOKENS,
      numSpeculativeTokens,
      threads: 1,
      communicator: null,
      experts: null,
      onSteps: (events) => {
        for (const event of events) this.#onStep(event);
      },
    });
  }

  /** Answers to all prompts, so many at a time; the time until each of them has its first token does not count. */
  async measure(prompts: readonly number[][], numSequences: number): Promise<Figures> {
    let numTokens = 0;
    let numSequenceSteps = 0;
    let elapsedMs = 0;
    for (let first = 0; first < Math.max(prompts.length, numSequences); first += numSequences) {
      const some = Array.from({ length: numSequences }, (_, i) => prompts[(first + i) % prompts.length] as number[]);
      const wave = await this.#run(some);
      elapsedMs += performance.now() - wave.startedAt;
      numTokens += wave.numTokens;
      numSequenceSteps += wave.numSequenceSteps;
    }
    return { tokensPerSecond: (1000 * numTokens) / elapsedMs, tokensPerStep: numTokens / numSequenceSteps };
  }

  close(): void {
    this.#executor.close();
  }

  #run(prompts: readonly number[][]): Promise<Wave> {
    return new Promise((resolve) => {
      const count = prompts.length;
      const counts = { numTokens: 0, numSequenceSteps: 0, numMissing: count, numUnstarted: count, startedAt: 0 };
      this.#wave = { ...counts, resolve };
      this.#planSeq += 1n;
      this.#executor.submit({
        masterEpoch: 1n,
        planSeq: this.#planSeq,
        maxPrefillTokens: PREFILL_TOKENS,
        add: prompts.map((tokens, i) => this.#sequence(tokens, i)),
        grant: [],
        remove: [],
        resume: false,
      });
    });
  }

  #sequence(tokens: number[], place: number): SequenceSpec {
    const blocks = Array.from({ length: BLOCKS_OF_SEQUENCE }, (_, i) => place * BLOCKS_OF_SEQUENCE + i);
    const numPromptTokens = tokens.length;
    const rest = {
      numPromptTokens,
      numComputed: 0,
      blocks,
      source: null,
      sampling,
      stopTokenIds: [],
      hold: false,
      trace: null,
    };
    return { seqId: this.#nextSeqId++, tokens, maxNewTokens: MAX_TOKENS, ...rest };
  }

  #onStep({ tokens, finished, timing }: StepEvent): void {
    const wave = this.#wave;
    if (wave === null || timing === null) return;
    if (wave.numUnstarted > 0) {
      wave.numUnstarted -= new Set(tokens.map(({ seqId }) => seqId)).size;
      if (wave.numUnstarted <= 0) wave.startedAt = performance.now();
    } else {
      wave.numTokens += tokens.length;
      wave.numSequenceSteps += timing.numDecodeRows - timing.numDraftTokens;
    }
    wave.numMissing -= finished.length;
    if (wave.numMissing === 0) wave.resolve(wave);
  }
}
