// Whether an attention rank has all its expert ranks: joined, linked and ready to serve. Wired by the attention app, which feeds
// it the membership. A linked expert counts even while the membership has lost sight of it: its death would show on the link.
import { cluster } from '@switchyard/proto';
import type { Member } from '@switchyard/registry';
import type { Readiness } from '../executor/executor.js';
import { expertMembers } from './placement.js';

export interface ExpertWatchOptions {
  te: string;
  numExpertRanks: number;
  isLinkedTo: (memberId: string, epoch: bigint) => boolean;
}

interface SeenExpert {
  epoch: bigint;
  /** It has served in this epoch, so its loop runs for as long as it is linked. */
  hasServed: boolean;
}

export class ExpertWatch {
  readonly #options: ExpertWatchOptions;
  readonly #experts = new Map<string, SeenExpert>();

  constructor(options: ExpertWatchOptions) {
    this.#options = options;
  }

  readiness(members: readonly Member[]): Readiness {
    this.#look(members);
    const { te, numExpertRanks, isLinkedTo } = this.#options;
    for (const [member, { epoch, hasServed }] of this.#experts) {
      if (!isLinkedTo(member, epoch)) return { ready: false, member, reason: 'is not linked' };
      if (!hasServed) return { ready: false, member, reason: 'does not serve yet' };
    }
    if (this.#experts.size === numExpertRanks) return { ready: true };
    return { ready: false, member: te, reason: `has ${this.#experts.size} of ${numExpertRanks} expert ranks` };
  }

  #look(members: readonly Member[]): void {
    const present = new Set<string>();
    for (const { id, epoch, state } of expertMembers(members, this.#options.te)) {
      present.add(id);
      const seen = this.#experts.get(id);
      const isSame = seen?.epoch === epoch;
      const hasServed = state === cluster.MemberState.SERVING || (isSame && seen.hasServed);
      this.#experts.set(id, { epoch, hasServed });
    }
    for (const [id, { epoch }] of this.#experts) {
      if (!present.has(id) && !this.#options.isLinkedTo(id, epoch)) this.#experts.delete(id);
    }
  }
}
