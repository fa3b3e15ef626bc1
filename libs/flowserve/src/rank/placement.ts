// Which expert rank holds which experts (numFfnUnits of them): contiguous shares in the order of the ranks' ids. Attention and expert ranks derive it
// each for itself from the membership, so it depends on nothing else (version 1; EPLB will give out later ones).
import { ServiceError } from '@switchyard/kit';
import type { ExpertPlacement } from '@switchyard/native';
import { cluster } from '@switchyard/proto';
import type { Member } from '@switchyard/registry';

/** Expert ranks of a TE that have joined the communicator, in placement order: `expert-2` comes before `expert-10`. */
export function expertMembers(members: readonly Member[], te: string): Member[] {
  return members
    .filter((member) => member.kind === cluster.MemberKind.EXPERT && member.te === te && member.xccl !== undefined)
    .sort((a, b) => a.id.localeCompare(b.id, 'en', { numeric: true }));
}

/**
 * The placement over `numExpertRanks` ranks; null while fewer have joined.
 *
 * @throws INVALID_ARGUMENT for more ranks than experts, or when more ranks than that have joined.
 */
export function expertPlacement(
  members: readonly Member[],
  options: { te: string; numExpertRanks: number; numExperts: number; timeoutMs: number },
): ExpertPlacement | null {
  const { te, numExpertRanks, numExperts, timeoutMs } = options;
  if (numExpertRanks > numExperts) {
    throw new ServiceError(
      'INVALID_ARGUMENT',
      `${numExpertRanks} expert ranks for ${numExperts} experts or dense layers`,
    );
  }
  const ranks = expertMembers(members, te).map((member) => (member.xccl as cluster.XcclEndpoint).rank);
  if (ranks.length > numExpertRanks) {
    throw new ServiceError(
      'INVALID_ARGUMENT',
      `${te} has ${ranks.length} expert ranks, ${numExpertRanks} were expected`,
    );
  }
  if (ranks.length < numExpertRanks) return null;
  const expertToRank = Array.from({ length: numExperts }, (_, expertIdx) => {
    return ranks[Math.floor((expertIdx * numExpertRanks) / numExperts)] as number;
  });
  return { version: 1, expertToRank, timeoutMs };
}
