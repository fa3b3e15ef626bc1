// Joins the system a service was configured for: by its cluster-manager, or with static peers when it has none.
import type { ServiceContext } from '@switchyard/kit';
import { joinByManager } from './managed-membership.js';
import type { Membership, SelfDescription } from './membership.js';
import { StaticMembership } from './static-membership.js';

/**
 * Enters this service as STARTING and returns its membership; give it to runService in Wiring.membership, which then
 * reports SERVING and DRAINING and closes it. Rejects with MEMBER_UNAVAILABLE when the manager does not answer.
 */
export function joinCluster(context: ServiceContext, self: SelfDescription): Promise<Membership> {
  const { manager } = context.config;
  return manager === undefined
    ? Promise.resolve(new StaticMembership(context, self))
    : joinByManager(context, self, manager);
}
