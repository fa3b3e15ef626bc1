// What every engine is asked to do, in token ids, so that no tokenizer is measured. Prompts are random and distinct: sequences that
// share tokens would visit the same experts and read fewer weights.

export type Work = { kind: 'decode'; numSequences: number } | { kind: 'prefill' } | { kind: 'first-token' };

export const PREFILL_TOKENS = 512;
export const DECODE_PROMPT_TOKENS = 32;
export const FIRST_PROMPT_TOKENS = 16;
/** Rows of one forward pass: a whole prompt. */
export const BATCH_TOKENS = 512;
/** Ids below are control and byte tokens. */
const FIRST_TOKEN_ID = 300;

/** Draws at random, so that answers do not fall into one repeated token; each sequence has a seed of its own. */
export const sampling = { temperature: 1, topK: 40, topP: 1, minP: 0 };

/** Tokens that each sequence decodes after its first: fewer where a step takes longer. */
export const decodeTokens = (numSequences: number) => (numSequences > 8 ? 24 : 48);

/** An engine in this process with its model loaded. */
export interface Engine {
  /** Runs a prompt up to its first sampled token, in a sequence of its own. */
  firstToken(prompt: readonly number[]): Promise<void>;
  /** Prefills the prompts, then decodes them together, `1 + numTokens` tokens each; every one of these is told to `onToken`. */
  decode(prompts: readonly number[][], numTokens: number, onToken: (sequenceIdx: number) => void): Promise<void>;
  close(): Promise<void>;
}

/** Random token ids; the same for the same seed. */
export function randomPrompt(numTokens: number, vocabSize: number, seed: number): number[] {
  let state = seed;
  return Array.from({ length: numTokens }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return FIRST_TOKEN_ID + ((state >>> 8) % (vocabSize - FIRST_TOKEN_ID));
  });
}

/** Tokens per second, from the moment when every sequence has a token to the last one's last. */
export class DecodeMeter {
  readonly #begun = new Set<number>();
  #startedMs = 0;
  #lastMs = 0;
  #numTokens = 0;

  constructor(
    private readonly numSequences: number,
    private readonly nowMs: () => number,
  ) {}

  onToken(sequenceIdx: number): void {
    if (this.#begun.size === this.numSequences) {
      this.#numTokens += 1;
      this.#lastMs = this.nowMs();
      return;
    }
    this.#begun.add(sequenceIdx);
    this.#startedMs = this.nowMs();
  }

  /** Throws when nothing was decoded after the start. */
  tokensPerSecond(): number {
    if (this.#numTokens === 0) throw new Error('no token was decoded while all sequences ran');
    return (this.#numTokens * 1000) / (this.#lastMs - this.#startedMs);
  }
}

/** @returns Tokens per second, of `first-token` 0: its time runs outside, from the start of the process. */
export async function measure(engine: Engine, work: Work, vocabSize: number, seed: number): Promise<number> {
  if (work.kind === 'first-token') {
    await engine.firstToken(randomPrompt(FIRST_PROMPT_TOKENS, vocabSize, seed));
    return 0;
  }
  if (work.kind === 'prefill') {
    const startedMs = performance.now();
    await engine.firstToken(randomPrompt(PREFILL_TOKENS, vocabSize, seed));
    return (PREFILL_TOKENS * 1000) / (performance.now() - startedMs);
  }
  const { numSequences } = work;
  const meter = new DecodeMeter(numSequences, () => performance.now());
  const prompts = Array.from({ length: numSequences }, (_, i) => {
    return randomPrompt(DECODE_PROMPT_TOKENS, vocabSize, seed + 1 + i);
  });
  await engine.decode(prompts, decodeTokens(numSequences), (sequenceIdx) => meter.onToken(sequenceIdx));
  return meter.tokensPerSecond();
}
