#!/usr/bin/env node
// The cluster-manager: keeps the membership, and with its local provider runs a whole system on this machine.
import { runService } from '@switchyard/kit';
import { configProblems } from './check-config.js';
import { options } from './config.js';
import { wire } from './wiring.js';

await runService({
  name: 'cluster-manager',
  summary: 'keeps the membership and starts, watches and restarts the services of this machine',
  options,
  check: configProblems,
  privateRunDir: true,
  wire,
});
