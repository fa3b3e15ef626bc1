// What is wrong with the cluster-manager's options taken together; asked before anything is opened or started. Pure.
import { namedModelsProblems } from '@switchyard/model-files';
import { type TopologyConfig, topologyProblems } from './provider/local/topology.js';

/** A sentence each; empty when all is well. */
export function configProblems(config: TopologyConfig): string[] {
  const problems = namedModelsProblems(config.model, config.name);
  return problems.length > 0 ? problems : topologyProblems(config);
}
