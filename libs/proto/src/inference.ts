export * from './gen/switchyard/inference/v1/inference.js';
