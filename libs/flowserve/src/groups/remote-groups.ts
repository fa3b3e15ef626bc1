// The DP groups of a decode TE whose attention ranks are processes of their own: one master for each rank that serves, opened
// when the membership shows it, closed when its stream is lost, opened again under a higher epoch. Wired by the decode app.
import { type Logger, ServiceError, toServiceError } from '@switchyard/kit';
import { cluster } from '@switchyard/proto';
import type { Member, Membership } from '@switchyard/registry';
import type { Clock } from '../clock.js';
import { masterEpoch } from '../executor/epochs.js';
import { connectExecutor } from '../executor/remote.js';
import { DpGroupMaster, type MasterOptions } from '../master/master.js';
import { memberOfRank } from '../rank/runtime.js';
import type { DpGroups } from '../tasks/decode-service.js';

export interface RemoteGroupsOptions {
  membership: Pick<Membership, 'id' | 'epoch' | 'members' | 'onChange' | 'connectTo'>;
  model: Pick<cluster.ServedModel, 'name' | 'digest' | 'numericClass'>;
  clock: Clock;
  log: Logger;
  connectTimeoutMs: number;
  limits: Pick<MasterOptions, 'maxBatchSize' | 'maxQueue' | 'maxPrefillTokens' | 'ackTimeoutMs'>;
  /** After each change of what the groups can do. */
  onChange: () => void;
}

interface Group {
  epoch: bigint;
  /** Null while its stream is being opened. */
  master: DpGroupMaster | null;
}

const retryMsMin = 100;
const retryMsMax = 2000;

export class RemoteGroups implements DpGroups {
  readonly #options: RemoteGroupsOptions;
  /** By member id. */
  readonly #groups = new Map<string, Group>();
  /** Attempts in a row that failed, by member id. */
  readonly #numFailures = new Map<string, number>();
  readonly #unsubscribe: () => void;
  #numConnections = 0;
  #isClosed = false;

  constructor(options: RemoteGroupsOptions) {
    this.#options = options;
    this.#unsubscribe = options.membership.onChange(() => this.#openMissing());
    this.#openMissing();
  }

  masters(): DpGroupMaster[] {
    return [...this.#groups.values()].flatMap(({ master }) => master ?? []);
  }

  get numUsable(): number {
    return this.masters().filter(({ obstacle }) => obstacle === null).length;
  }

  whyNone(): ServiceError {
    const { id } = this.#options.membership;
    const detail = { member: id, retryAfterMs: 1000 };
    return new ServiceError('MEMBER_UNAVAILABLE', `${id} has no attention rank that serves`, detail);
  }

  close(): void {
    this.#isClosed = true;
    this.#unsubscribe();
    for (const master of this.masters()) master.close();
    this.#groups.clear();
  }

  #openMissing(): void {
    if (this.#isClosed) return;
    for (const member of this.#options.membership.members()) {
      if (!this.#isWanted(member) || this.#groups.get(member.id)?.epoch === member.epoch) continue;
      // A group of an earlier start is lost, even if its stream does not know it yet.
      this.#groups.get(member.id)?.master?.close();
      const group: Group = { epoch: member.epoch, master: null };
      this.#groups.set(member.id, group);
      void this.#open(member, group);
    }
  }

  #isWanted(member: Member): boolean {
    const { kind, te, state } = member;
    const isMine = kind === cluster.MemberKind.ATTENTION && te === this.#options.membership.id;
    return isMine && state === cluster.MemberState.SERVING;
  }

  async #open(member: Member, group: Group): Promise<void> {
    const { membership, model, connectTimeoutMs, log } = this.#options;
    try {
      const address = membership.connectTo(member.id, member.epoch);
      const epoch = masterEpoch(membership.epoch, this.#numConnections);
      this.#numConnections += 1;
      const names = { memberId: member.id, memberEpoch: member.epoch, master: `${membership.id}/${member.id}` };
      const executor = await connectExecutor({ address, ...names, masterEpoch: epoch, model, connectTimeoutMs });
      if (this.#isClosed || this.#groups.get(member.id) !== group) {
        executor.close();
        return;
      }
      this.#checkClass(member, executor.info.numericClass);
      group.master = this.#makeMaster(names.master, epoch, executor, () => this.#onLost(member, group));
      log.info({ rank: member.id, numBlocks: executor.info.numBlocks }, `${member.id} is a DP group of this TE`);
      this.#numFailures.delete(member.id);
      this.#options.onChange();
    } catch (error) {
      const { code, message } = toServiceError(error);
      log.warn({ rank: member.id, code }, `${member.id} cannot be commanded: ${message}`);
      this.#forget(member, group);
    }
  }

  #checkClass(member: Member, numericClass: string): void {
    const { model } = this.#options;
    if (numericClass === model.numericClass) return;
    const text = `${member.id} has numeric class ${numericClass}, not ${model.numericClass}`;
    throw new ServiceError('MISMATCH', text, { member: member.id });
  }

  #makeMaster(name: string, epoch: bigint, executor: MasterOptions['executor'], onLost: () => void): DpGroupMaster {
    const { membership, clock, limits, log } = this.#options;
    return new DpGroupMaster({
      name,
      epoch,
      executor,
      clock,
      ...limits,
      memberOfRank: (rank) => memberOfRank(membership.members(), rank),
      onReadiness: () => this.#options.onChange(),
      onLost: (error) => {
        log.warn({ master: name, code: error.code }, error.message);
        onLost();
      },
    });
  }

  #onLost(member: Member, group: Group): void {
    this.#forget(member, group);
    this.#options.onChange();
  }

  /** A later look at the membership opens it again, if it is still there. */
  #forget(member: Member, group: Group): void {
    if (this.#groups.get(member.id) !== group) return;
    const numFailures = (this.#numFailures.get(member.id) ?? 0) + 1;
    this.#numFailures.set(member.id, numFailures);
    const delayMs = Math.min(retryMsMax, retryMsMin * 2 ** (numFailures - 1));
    // It stays listed meanwhile, so that changes of the membership do not cut the delay short; a new start of it does.
    group.master = null;
    this.#options.clock.setTimer(delayMs, () => {
      if (this.#groups.get(member.id) === group) this.#groups.delete(member.id);
      this.#openMissing();
    });
  }
}
