// Whether an attention rank has all its expert ranks: joined, linked and serving. Asked by the attention app after each change.
import { cluster } from '@switchyard/proto';
import type { Member } from '@switchyard/registry';
import type { Readiness } from '../executor/executor.js';
import { expertMembers } from './placement.js';

export interface ExpertWatchOptions {
  te: string;
  numExpertRanks: number;
  isLinked: (member: Member) => boolean;
}

export function expertReadiness(members: readonly Member[], options: ExpertWatchOptions): Readiness {
  const { te, numExpertRanks, isLinked } = options;
  const experts = expertMembers(members, te);
  for (const expert of experts) {
    if (!isLinked(expert)) return { ready: false, member: expert.id, reason: 'is not linked' };
    if (expert.state !== cluster.MemberState.SERVING)
      return { ready: false, member: expert.id, reason: 'is not serving' };
  }
  if (experts.length === numExpertRanks) return { ready: true };
  const reason = `has ${experts.length} of ${numExpertRanks} expert ranks`;
  return { ready: false, member: te, reason };
}
