#!/usr/bin/env node
// The router: public HTTP and gRPC APIs, and the job executor behind them.
import { runService } from '@switchyard/kit';
import { namedModelsProblems } from '@switchyard/model-files';
import { routerOptions } from './config.js';
import { wire } from './wiring.js';

await runService({
  name: 'router',
  summary: 'Takes chat and completion requests by HTTP and gRPC and runs them on prefill and decode services.',
  options: routerOptions,
  check: ({ model, name }) => namedModelsProblems(model, name),
  servesMetrics: true,
  wire,
});
