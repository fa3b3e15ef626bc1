// The KV handles of a TE in this process, tied to the membership: what a member that is gone had claimed is freed.
import { randomBytes } from 'node:crypto';
import type { Membership } from '@switchyard/registry';
import { systemClock } from '../clock.js';
import { KvHandles } from '../kv/handles.js';
import { layerGroupsOf } from '../kv/layer-groups.js';
import type { LoadedModel } from './join-with-model.js';
import type { LocalTe } from './local-te.js';

export interface OpenHandles {
  handles: KvHandles;
  close(): void;
}

export function openHandles(te: LocalTe, model: LoadedModel, membership: Membership, leaseMs: number): OpenHandles {
  const handles = new KvHandles({
    owner: membership.id,
    ownerEpoch: membership.epoch,
    model: model.registration,
    layoutVersion: te.master.info.layoutVersion,
    layerGroups: layerGroupsOf(te.master.info),
    leaseMs,
    clock: systemClock,
    randomBytes,
    region: te.region,
  });
  // A member that the membership has lost sight of may still copy: its link tells.
  const isPresent = (id: string, epoch: bigint) =>
    membership.members().some((member) => member.id === id && member.epoch === epoch) ||
    te.rank?.isLinkedTo(id, epoch) === true;
  const look = () => void handles.endClaimsOfAbsent(isPresent);
  const unsubscribe = te.rank?.onChange(look) ?? membership.onChange(look);
  const close = () => {
    unsubscribe();
    handles.close();
  };
  return { handles, close };
}
