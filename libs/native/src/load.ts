// Opens the addon, once a process. Called by the services' wiring and by tests; the only file that touches the .node file.
// The addon itself closes what is still open when the process or the worker ends.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { NativeModule } from './native.js';

const require = createRequire(import.meta.url);

/**
 * The native addon.
 *
 * @throws Error when it has not been built.
 */
export function loadNative(): NativeModule {
  const folder = dirname(require.resolve('@switchyard/native-addon/package.json'));
  const file = join(folder, 'build', 'release', 'switchyard.node');
  if (!existsSync(file)) {
    throw new Error(
      `the native addon is not built: ${file} is missing; run 'npm run build -w @switchyard/native-addon'`,
    );
  }
  // Node caches the module: every call gives the same one.
  return require(file) as NativeModule;
}
