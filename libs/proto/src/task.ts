export * from './gen/switchyard/task/v1/task.js';
