// What a case has to reach, from its target and the yardsticks that were measured. Pure.
import type { Bar, Yardstick } from '../../row.js';
import type { Target } from './cases.js';

export interface Yardsticks {
  peer: Yardstick | undefined;
  /** What the read bandwidth allows. */
  limit: Yardstick | undefined;
  /** Other builds of llama.cpp. */
  others: readonly Yardstick[];
  colocated: Yardstick | undefined;
}

export function barsOf(target: Target, yardsticks: Yardsticks): Bar[] {
  const { peer, others, colocated } = yardsticks;
  const bars: Bar[] = [];
  if (target.peer !== undefined) bars.push(peerBar(target.peer, target.orShareOfBandwidth, yardsticks));
  if (target.others !== undefined && others.length > 0) {
    const { bound, withPeer } = target.others;
    const rivals = withPeer && peer !== undefined ? [...others, peer] : others;
    const best = rivals.reduce((a, b) => (b.value > a.value ? b : a));
    bars.push({ against: best, bound });
  }
  if (target.colocated !== undefined && colocated !== undefined)
    bars.push({ against: colocated, bound: target.colocated });
  return bars;
}

/** Open without the peer: what it makes decides which of the two is less. */
function peerBar(bound: number, share: number | undefined, { peer, limit }: Yardsticks): Bar {
  if (share === undefined || peer === undefined || limit === undefined) return { against: 'peer', bound };
  if (bound * peer.value <= share * limit.value) return { against: 'peer', bound };
  return { against: 'limit', bound: share };
}
