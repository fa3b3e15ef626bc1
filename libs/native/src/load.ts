// Opens the addon, once a process, and closes what is still open when the process exits. Called by the services' wiring and by tests.
// The only file that touches the .node file.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { NativeModule } from './native.js';

/** What every handle of the addon has. */
interface Closeable {
  close(): void;
}

const require = createRequire(import.meta.url);
const open = new Set<Closeable>();
let loaded: NativeModule | undefined;

/**
 * The native addon.
 *
 * @throws Error when it has not been built.
 */
export function loadNative(): NativeModule {
  loaded ??= closingAtExit(requireAddon());
  return loaded;
}

function requireAddon(): NativeModule {
  const folder = dirname(require.resolve('@switchyard/native-addon/package.json'));
  const file = join(folder, 'build', 'release', 'switchyard.node');
  if (!existsSync(file)) {
    throw new Error(
      `the native addon is not built: ${file} is missing; run 'npm run build -w @switchyard/native-addon'`,
    );
  }
  return require(file) as NativeModule;
}

/** The addon with handles that are remembered until they are closed: process.exit() runs no native clean-up of its own. */
function closingAtExit(addon: NativeModule): NativeModule {
  process.on('exit', () => {
    for (const handle of [...open].reverse()) handle.close();
  });
  return {
    ...addon,
    createCommunicator: (options) => remember(addon.createCommunicator(options)),
    createExecutor: (options) => remember(addon.createExecutor(options)),
    createExpertServer: (options) => remember(addon.createExpertServer(options)),
  };
}

/** Handles are plain objects of the addon, which knows them by identity: close() is replaced in place. */
function remember<Handle extends Closeable>(handle: Handle): Handle {
  const close = handle.close.bind(handle);
  open.add(handle);
  handle.close = () => {
    open.delete(handle);
    close();
  };
  return handle;
}
