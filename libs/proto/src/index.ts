// Generated code and nothing else: one namespace for each proto package.
export * as cluster from './cluster.js';
export * as common from './common.js';
export * as executor from './executor.js';
export * as inference from './inference.js';
export * as task from './task.js';
