// What a comparison says, for a person. Pure. Called by main.ts.
import type { Comparison } from './measure/compare.js';

export function renderComparison(text: string, policies: [source: string, result: string], found: Comparison): string {
  const { numTokens, windowTokens, klMean, klMax, top1Agreement } = found;
  const stride = Math.floor(windowTokens / 2);
  return [
    `${numTokens} tokens of ${text}, in windows of ${windowTokens} that begin ${stride} apart, each token scored once`,
    `perplexity of the source (${policies[0]})   ${found.sourcePerplexity.toFixed(4)}`,
    `perplexity of the result (${policies[1]})   ${found.resultPerplexity.toFixed(4)}`,
    `KL(source || result)                ${klMean.toExponential(3)} nats a token, at most ${klMax.toExponential(3)}`,
    `same first choice                   ${(100 * top1Agreement).toFixed(2)}% of the positions`,
    '',
  ].join('\n');
}
