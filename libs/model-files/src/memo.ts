// Keeps in the cache's folder what was made of a model's files, as long as these files and this program stay as they are. Used by
// open-model.ts for descriptions and tokenizers. What cannot be kept or is damaged is made again: a memo makes things quick, no more.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Sealed, seal, unseal } from './sealed-file.js';
import { areUnchanged, lookAt, type SeenFile, type SeenFiles } from './seen-files.js';

const FILE_BYTES_MAX = 1 << 30;
const TOUCH_MS = 24 * 3_600_000;

/** Of a service its whole program, since it is one file; else this module, and the version has to tell one program from the next. */
const PROGRAM = lookAt(fileURLToPath(import.meta.url));

interface Kept {
  root: string;
  files: SeenFile[];
  value: unknown;
}

/** One thing that is known of the model at `root`. */
export class Memo {
  readonly #path: string;

  /**
   * @param dir The cache's folder.
   * @param kind Ending of the file, by which libs/flowserve knows it for one of the cache's.
   * @param version To be raised whenever the value means something else, or is made otherwise of the same files.
   */
  constructor(
    private readonly dir: string,
    private readonly root: string,
    kind: 'description' | 'tokenizer',
    private readonly version: number,
  ) {
    const key = createHash('sha256').update(`${version} ${PROGRAM[0]} ${root}`).digest('hex');
    this.#path = join(dir, `${key}.${kind}`);
  }

  /** Undefined when nothing was kept, it is damaged, or a file it was made of has changed. */
  find(): Sealed | undefined {
    const sealed = this.#read();
    if (!sealed) return undefined;
    const { root, files, value } = sealed.json as Kept;
    if (root !== this.root || !areUnchanged(files)) return undefined;
    this.#touch(Date.now());
    return { json: value, arrays: sealed.arrays };
  }

  /** @param seen Noted before the files were read. */
  keep({ json, arrays }: Sealed, seen: SeenFiles): void {
    if (!seen.areSettled) return;
    const kept: Kept = { root: this.root, files: [PROGRAM, ...seen.files], value: json };
    const unfinished = `${this.#path}.${process.pid}.tmp`;
    const isKept = succeeds(() => {
      mkdirSync(this.dir, { recursive: true, mode: 0o700 });
      writeFileSync(unfinished, seal({ json: kept, arrays }, this.version), { mode: 0o600 });
      renameSync(unfinished, this.#path);
    });
    if (!isKept) succeeds(() => rmSync(unfinished, { force: true }));
  }

  #read(): Sealed | null {
    try {
      if (statSync(this.#path).size > FILE_BYTES_MAX) return null;
      return unseal(readFileSync(this.#path), this.version);
    } catch {
      return null;
    }
  }

  /** Notes that it was used, for those who clear the folder; once a day, since a note may wait for all that the disk has to write. */
  #touch(nowMs: number): void {
    succeeds(() => {
      if (nowMs - statSync(this.#path).mtimeMs > TOUCH_MS) utimesSync(this.#path, nowMs / 1000, nowMs / 1000);
    });
  }
}

function succeeds(body: () => void): boolean {
  try {
    body();
    return true;
  } catch {
    return false;
  }
}
