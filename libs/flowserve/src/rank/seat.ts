// Which place a rank has among the attention and expert ranks of its decode service. Attention and expert apps derive it from their
// own id alone, before they know of any other rank: `expert-1` is the second expert rank, as the manager names them. Pure.
import type { RankSeat } from '@switchyard/native';

/** An id that does not end in a number takes the first place; numbers beyond the last place go round. */
export function rankSeat(
  role: RankSeat['role'],
  id: string,
  { attentionRanks, expertRanks, threads }: { attentionRanks: number; expertRanks: number; threads: number },
): RankSeat {
  const number = Number(/\d{1,9}$/.exec(id)?.[0] ?? 0);
  const idx = number % (role === 'attention' ? attentionRanks : expertRanks);
  return { role, idx, numAttention: attentionRanks, numExpert: expertRanks, numThreads: threads };
}
