// Which task executors of one model there are and which one a job goes to. Reads the membership, keeps the account of outstanding
// tokens, and tells a running job when its TE is gone. Made by model-catalog.ts for each model,
// called by run-job.ts; opens no connection.

import { cluster } from '@switchyard/proto';
import type { Membership } from '@switchyard/registry';
import type { RouterModel } from './router-model.js';

/** How long a TE may be missing from the membership before its requests are given up. */
const ABSENT_MS_MAX = 1_000;

/** A TE as it was when it was picked. */
export interface TaskExecutor {
  id: string;
  epoch: bigint;
  address: string;
  digest: string;
  numericClass: string;
  /** The decode TE serves PrefillService too. */
  colocated: boolean;
}

/** The part of the registry's Membership that the directory reads. */
export type MembershipView = Pick<Membership, 'members' | 'onChange'>;

export class TeDirectory {
  readonly #view: MembershipView;
  readonly #model: Pick<RouterModel, 'name' | 'digest'>;
  /** Tokens of unfinished tasks, by TE. */
  readonly #outstanding = new Map<string, number>();

  constructor(view: MembershipView, model: Pick<RouterModel, 'name' | 'digest'>) {
    this.#view = view;
    this.#model = model;
  }

  /** The decode TE with the least outstanding tokens that has a prefill TE to pair with; none of `excluded`. */
  pickDecode(excluded: ReadonlySet<string>): TaskExecutor | undefined {
    const candidates = this.#serving(cluster.MemberKind.DECODE, excluded);
    return this.#leastLoaded(candidates.filter((te) => this.pickPrefill(te, excluded) !== undefined));
  }

  /** The prefill TE for a decode TE: itself when colocated, else the least loaded one of its digest and numeric class. */
  pickPrefill(decode: TaskExecutor, excluded: ReadonlySet<string>): TaskExecutor | undefined {
    if (decode.colocated) return decode;
    const candidates = this.#serving(cluster.MemberKind.PREFILL, excluded);
    return this.#leastLoaded(
      candidates.filter((te) => te.digest === decode.digest && te.numericClass === decode.numericClass),
    );
  }

  /** Enters tokens into a TE's account; the returned function takes them out again, once. */
  hold(te: TaskExecutor, numTokens: number): () => void {
    const key = teKey(te);
    this.#outstanding.set(key, (this.#outstanding.get(key) ?? 0) + numTokens);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const left = (this.#outstanding.get(key) ?? 0) - numTokens;
      if (left > 0) this.#outstanding.set(key, left);
      else this.#outstanding.delete(key);
    };
  }

  /**
   * Calls `onLost` once when the TE came back under another epoch, or has been missing for a while: a restarted
   * cluster-manager knows its members only one by one. Returns the end of the watch.
   */
  watch(te: TaskExecutor, onLost: () => void): () => void {
    let timer: NodeJS.Timeout | undefined;
    const stop = () => {
      clearTimeout(timer);
      unsubscribe();
    };
    const lost = () => {
      stop();
      onLost();
    };
    const unsubscribe = this.#view.onChange((members) => {
      const now = members.find((member) => member.id === te.id);
      if (now && now.epoch !== te.epoch) return lost();
      clearTimeout(timer);
      timer = now ? undefined : setTimeout(lost, ABSENT_MS_MAX);
    });
    return stop;
  }

  /** What keeps the model from being served, in words; empty when it can be. */
  missing(): string[] {
    if (this.pickDecode(new Set()) !== undefined) return [];
    const missing: string[] = [];
    const decodes = this.#serving(cluster.MemberKind.DECODE, new Set());
    const prefills = this.#serving(cluster.MemberKind.PREFILL, new Set());
    if (decodes.length === 0) missing.push(`a serving decode TE of ${this.#model.name}`);
    if (prefills.length === 0 && !decodes.some((te) => te.colocated)) {
      missing.push(`a serving prefill TE of ${this.#model.name}`);
    }
    if (missing.length === 0) missing.push(`a prefill and a decode TE of ${this.#model.name} of one numeric class`);
    return missing;
  }

  #serving(kind: cluster.MemberKind, excluded: ReadonlySet<string>): TaskExecutor[] {
    return this.#view
      .members()
      .filter((member) => member.kind === kind && member.state === cluster.MemberState.SERVING)
      .filter(
        (member) => member.model?.name === this.#model.name && member.model.descriptionDigest === this.#model.digest,
      )
      .map(toTaskExecutor)
      .filter((te) => !excluded.has(teKey(te)));
  }

  #leastLoaded(candidates: TaskExecutor[]): TaskExecutor | undefined {
    let best: TaskExecutor | undefined;
    for (const te of candidates) {
      if (best === undefined || this.#load(te) < this.#load(best)) best = te;
    }
    return best;
  }

  #load(te: TaskExecutor): number {
    return this.#outstanding.get(teKey(te)) ?? 0;
  }
}

/** Names one life of a TE: after a restart it is another. */
export function teKey(te: Pick<TaskExecutor, 'id' | 'epoch'>): string {
  return `${te.id}@${te.epoch}`;
}

function toTaskExecutor(member: cluster.Member): TaskExecutor {
  return {
    id: member.id,
    epoch: member.epoch,
    address: member.address,
    digest: member.model?.digest ?? '',
    numericClass: member.model?.numericClass ?? '',
    colocated: member.colocated,
  };
}
