export * from './gen/switchyard/executor/v1/executor.js';
