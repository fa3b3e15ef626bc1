#!/usr/bin/env node
// The decode TE: streams answers; its DP groups run in this process or on attention ranks.
import { runService } from '@switchyard/kit';
import { options } from './config.js';
import { wire } from './wiring.js';

await runService({
  name: 'decode',
  summary: 'Decodes answers, on attention ranks or in this process.',
  options,
  wire,
});
