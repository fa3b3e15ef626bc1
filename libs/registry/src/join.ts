import type { ServiceContext } from '@switchyard/kit';
import type { Membership, SelfDescription } from './membership.js';

export declare function joinCluster(context: ServiceContext, self: SelfDescription): Promise<Membership>;
