// Where a user's processes on this machine keep what they made of models: descriptions and tokenizers (memo.ts), digests and arenas
// (libs/flowserve). Everything in it may be removed at any time.
import { homedir } from 'node:os';
import { join } from 'node:path';

/** @param dir As configured; undefined: `$XDG_CACHE_HOME/switchyard`, or that of ~/.cache. */
export function cacheFolder(dir: string | undefined): string {
  return dir ?? join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'switchyard');
}
