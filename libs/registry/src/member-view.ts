// The members last seen, and everybody who wants to know when that changes. Both memberships and the cluster-manager's
// own waits are built on it.
import { ServiceError, toServiceError } from '@switchyard/kit';
import { cluster } from '@switchyard/proto';
import type { Member } from './membership.js';

export class MemberView {
  #members: Member[] = [];
  readonly #callbacks = new Set<(members: Member[]) => void>();

  members(): Member[] {
    return this.#members;
  }

  /** Takes a new list, in any order; callbacks run only when it differs from the last one. */
  replace(members: readonly Member[]): void {
    const next = [...members].sort((a, b) => (a.id < b.id ? -1 : 1));
    if (sameMembers(next, this.#members)) return;
    this.#members = next;
    for (const callback of [...this.#callbacks]) callback(next);
  }

  onChange(callback: (members: Member[]) => void): () => void {
    this.#callbacks.add(callback);
    return () => this.#callbacks.delete(callback);
  }

  /** The first defined answer of `select`, asked now and after each change. */
  waitFor<T>(select: (members: Member[]) => T | undefined, timeoutMs: number, signal?: AbortSignal): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const settle = (finish: () => void) => {
        unsubscribe();
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        finish();
      };
      const ask = () => {
        const answer = select(this.#members);
        if (answer !== undefined) settle(() => resolve(answer));
      };
      const onAbort = () => settle(() => reject(toServiceError(signal?.reason)));
      const onTimeout = () =>
        settle(() => reject(new ServiceError('TIMEOUT', `the members waited for did not come in ${timeoutMs} ms`)));
      const timer = setTimeout(onTimeout, timeoutMs);
      const unsubscribe = this.onChange(ask);
      if (signal?.aborted) onAbort();
      else {
        signal?.addEventListener('abort', onAbort);
        ask();
      }
    });
  }

  /** gRPC address of a member; of that epoch, where one is given. */
  connectTo(memberId: string, epoch?: bigint): string {
    const member = this.#members.find(({ id }) => id === memberId);
    if (!member) throw new ServiceError('MEMBER_UNAVAILABLE', `${memberId} is not a member`, { member: memberId });
    if (epoch !== undefined && member.epoch !== epoch) {
      const message = `${memberId} has epoch ${member.epoch}, not ${epoch}: it was restarted`;
      throw new ServiceError('STALE', message, { member: memberId });
    }
    return member.address;
  }
}

function sameMembers(a: readonly Member[], b: readonly Member[]): boolean {
  const bytes = (members: readonly Member[]) =>
    Buffer.from(cluster.WatchMembersResponse.encode({ members: [...members] }).finish());
  return a.length === b.length && bytes(a).equals(bytes(b));
}
