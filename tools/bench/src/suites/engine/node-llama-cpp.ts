// The peer: node-llama-cpp by its own programming interface, from where it is installed. Sequences of one context, which it batches.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { BATCH_TOKENS, type Engine, FIRST_PROMPT_TOKENS, PREFILL_TOKENS, sampling } from './workload.js';

/** The part of node-llama-cpp's surface that is used. */
interface PeerModule {
  getLlama(options: { gpu: false; build: 'never'; logLevel: 'error' }): Promise<PeerLlama>;
}
interface PeerLlama {
  loadModel(options: { modelPath: string }): Promise<PeerModel>;
  dispose(): Promise<void>;
}
interface PeerModel {
  createContext(options: {
    sequences: number;
    /** Of each sequence. */
    contextSize: number;
    batchSize: number;
    threads: number;
  }): Promise<PeerContext>;
}
interface PeerContext {
  getSequence(): PeerSequence;
  dispose(): Promise<void>;
}
interface PeerSequence {
  evaluate(tokens: number[], options: object): AsyncGenerator<number, void>;
  evaluateWithoutGeneratingNewTokens(tokens: number[]): Promise<void>;
}

export interface NodeLlamaCppOptions {
  /** Folder whose node_modules has node-llama-cpp. */
  folder: string;
  modelPath: string;
  threads: number;
}

export async function openNodeLlamaCpp({ folder, modelPath, threads }: NodeLlamaCppOptions): Promise<Engine> {
  const entry = join(folder, 'node_modules/node-llama-cpp/dist/index.js');
  const { getLlama }: PeerModule = await import(pathToFileURL(entry).href);
  const llama = await getLlama({ gpu: false, build: 'never', logLevel: 'error' });
  const model = await llama.loadModel({ modelPath });
  return new NodeLlamaCpp(llama, model, threads);
}

class NodeLlamaCpp implements Engine {
  constructor(
    private readonly llama: PeerLlama,
    private readonly model: PeerModel,
    private readonly threads: number,
  ) {}

  async firstToken(prompt: readonly number[]): Promise<void> {
    const contextSize = FIRST_PROMPT_TOKENS + PREFILL_TOKENS;
    await this.#inContext(1, contextSize, async ([sequence]) => {
      for await (const _ of answerOf(sequence as PeerSequence, [...prompt], 1)) break;
    });
  }

  async decode(prompts: readonly number[][], numTokens: number, onToken: (sequenceIdx: number) => void): Promise<void> {
    const contextSize = Math.max(...prompts.map((prompt) => prompt.length)) + numTokens + 1;
    await this.#inContext(prompts.length, contextSize, async (sequences) => {
      const prefilled = prompts.map((prompt, i) => {
        return sequences[i]?.evaluateWithoutGeneratingNewTokens(prompt.slice(0, -1));
      });
      await Promise.all(prefilled);
      const decoded = prompts.map(async (prompt, i) => {
        let numLeft = 1 + numTokens;
        for await (const _ of answerOf(sequences[i] as PeerSequence, prompt.slice(-1), i + 1)) {
          onToken(i);
          numLeft -= 1;
          if (numLeft === 0) break;
        }
      });
      await Promise.all(decoded);
    });
  }

  async close(): Promise<void> {
    await this.llama.dispose();
  }

  async #inContext(
    numSequences: number,
    contextSize: number,
    body: (sequences: PeerSequence[]) => Promise<void>,
  ): Promise<void> {
    const { threads } = this;
    const context = await this.model.createContext({
      sequences: numSequences,
      contextSize,
      batchSize: BATCH_TOKENS,
      threads,
    });
    try {
      await body(Array.from({ length: numSequences }, () => context.getSequence()));
    } finally {
      await context.dispose();
    }
  }
}

/** Goes on past an end-of-sequence token. */
function answerOf(sequence: PeerSequence, tokens: number[], seed: number): AsyncGenerator<number, void> {
  return sequence.evaluate(tokens, { ...sampling, seed, yieldEogToken: true });
}
