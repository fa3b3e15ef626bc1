// The one DP group of a TE whose executor is in this process (PD and colocated decode).
import { ServiceError } from '@switchyard/kit';
import type { DpGroupMaster } from '../master/master.js';
import type { DpGroups } from '../tasks/decode-service.js';

export function localGroup(master: DpGroupMaster): DpGroups {
  return {
    masters: () => [master],
    whyNone: () => new ServiceError('INTERNAL', 'a local group is never absent'),
  };
}
