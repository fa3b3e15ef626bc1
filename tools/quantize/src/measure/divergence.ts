// How far one model's predictions are from another's, position by position: sums in binary64 over rows of fp32 logits. Pure. Called by
// compare.ts.

export interface Divergence {
  numTokens: number;
  sourcePerplexity: number;
  resultPerplexity: number;
  /** Of KL(source || result), in nats a token. */
  klMean: number;
  klMax: number;
  /** Share of the positions where both have the same first choice. */
  top1Agreement: number;
}

export class DivergenceMeter {
  #numTokens = 0;
  #sourceLoss = 0;
  #resultLoss = 0;
  #kl = 0;
  #klMax = 0;
  #numAgreed = 0;

  /** Logits of one position, [vocabSize] each, and the token that stands next in the text. */
  add(source: Float32Array, result: Float32Array, token: number): void {
    const ofSource = summarise(source);
    const ofResult = summarise(result);
    let kl = 0;
    for (let id = 0; id < source.length; id++) {
      const logprob = (source[id] as number) - ofSource.logSum;
      kl += Math.exp(logprob) * (logprob - ((result[id] as number) - ofResult.logSum));
    }
    this.#numTokens++;
    this.#sourceLoss += ofSource.logSum - (source[token] as number);
    this.#resultLoss += ofResult.logSum - (result[token] as number);
    this.#kl += kl;
    this.#klMax = Math.max(this.#klMax, kl);
    if (ofSource.best === ofResult.best) this.#numAgreed++;
  }

  result(): Divergence {
    const numTokens = this.#numTokens;
    return {
      numTokens,
      sourcePerplexity: Math.exp(this.#sourceLoss / numTokens),
      resultPerplexity: Math.exp(this.#resultLoss / numTokens),
      klMean: this.#kl / numTokens,
      klMax: this.#klMax,
      top1Agreement: this.#numAgreed / numTokens,
    };
  }
}

/** The first of the largest logits, and log Σ exp(logit). */
function summarise(logits: Float32Array): { best: number; logSum: number } {
  let best = 0;
  for (let id = 1; id < logits.length; id++) if ((logits[id] as number) > (logits[best] as number)) best = id;
  const most = logits[best] as number;
  let sum = 0;
  for (let id = 0; id < logits.length; id++) sum += Math.exp((logits[id] as number) - most);
  return { best, logSum: most + Math.log(sum) };
}
