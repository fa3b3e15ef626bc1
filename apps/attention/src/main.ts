#!/usr/bin/env node
// An attention rank: holds KV blocks and runs the attention side of every step for its decode TE.
import { runService } from '@switchyard/kit';
import { options } from './config.js';
import { wire } from './wiring.js';

await runService({
  name: 'attention',
  summary: 'Runs the attention side of decode steps for a decode service, with experts on expert ranks.',
  options,
  wire,
});
