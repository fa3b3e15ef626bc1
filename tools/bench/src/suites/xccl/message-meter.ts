// The model of an exchange's messages, for shapes that no machine here can run: what a rank of each kind sends and receives in one
// A2E and its E2A when every attention rank has rows for every expert rank. The suite holds the library's own counts against it.
import type { Figures, Meter, ModelSource } from './source.js';

/** Messages a rank, sent and received together. `first_expert` forwards where the form is the trampoline; `last_expert` does not. */
export interface Messages {
  attention: number;
  first_expert: number;
  last_expert: number;
}

/**
 * Direct: a message to each expert rank, and an answer. Trampoline: one bundle to the rank's own forwarder, which keeps its part,
 * passes the others on, gathers their answers and answers once; every expert rank still hears from each forwarder.
 */
export function messagesOf({ numAttention, numExperts, form }: Omit<ModelSource, 'from'>): Messages {
  const answered = 2;
  if (form === 'direct') {
    const atExpert = answered * numAttention;
    return { attention: answered * numExperts, first_expert: atExpert, last_expert: atExpert };
  }
  if (numAttention >= numExperts) throw new Error('the last expert rank of this model forwards nothing');
  const bundle = 1;
  return {
    attention: answered * bundle,
    first_expert: answered * (bundle + (numExperts - 1) + (numAttention - 1)),
    last_expert: answered * numAttention,
  };
}

export class MessageMeter implements Meter<ModelSource> {
  async measure(source: ModelSource): Promise<Figures> {
    const messages = messagesOf(source);
    return { value: Math.max(...Object.values(messages)), others: { ...messages } };
  }

  nameOf({ numAttention, numExperts, form }: ModelSource): string {
    return `model ${numAttention}x${numExperts} ${form}`;
  }
}
