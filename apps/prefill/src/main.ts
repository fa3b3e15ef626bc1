#!/usr/bin/env node
// The prefill TE: computes the KV cache of prompts and their first tokens.
import { runService } from '@switchyard/kit';
import { options } from './config.js';
import { wire } from './wiring.js';

await runService({
  name: 'prefill',
  summary: 'Prefills prompts: computes their KV cache and first token, and hands the cache to decode.',
  options,
  wire,
});
