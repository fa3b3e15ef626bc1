export * from './gen/switchyard/cluster/v1/cluster.js';
