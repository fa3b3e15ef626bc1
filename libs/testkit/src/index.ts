export * from './cluster.js';
export * from './deadline.js';
export * from './free-port.js';
export * from './generate.js';
export * from './golden.js';
export * from './leftovers.js';
export * from './process-tree.js';
export * from './sse.js';
