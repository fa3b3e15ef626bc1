#!/usr/bin/env node
// An expert rank: holds experts and runs them for the attention ranks of its decode TE.
import { runService } from '@switchyard/kit';
import { options } from './config.js';
import { wire } from './wiring.js';

await runService({
  name: 'expert',
  summary: 'Runs a share of the experts for the attention ranks of a decode service.',
  options,
  wire,
});
