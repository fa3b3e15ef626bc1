// `npm run fix`: writes the tree so that those checks of `npm run verify` pass that a machine can satisfy.
import { resolve } from 'node:path';
import { listCommands } from './commands.js';
import { runCommand } from './run-command.js';

const root = resolve(import.meta.dirname, '../../..');

for (const check of listCommands(root, null)) {
  if (!check.fix) continue;
  const { ok, output } = runCommand(root, check.fix);
  console.log(`${ok ? 'ok    ' : 'FAILED'} ${check.name}`);
  if (ok) continue;
  console.error(output);
  process.exitCode = 1;
}
