// A person's terminal, or a file in its place: lines, and on a terminal a bar below them that says how far something is. Used by the
// cluster-manager's local provider and by tools that work on files.

const barCells = 24;
const gibibyte = 2 ** 30;
const mebibyte = 2 ** 20;
const clearLine = '\r\x1b[K';

/** `████░░ 67%`. Of nothing, nothing is done. */
export function progressBar(done: number, total: number): string {
  const share = total > 0 ? Math.min(1, done / total) : 0;
  const filled = Math.round(share * barCells);
  return `${'█'.repeat(filled)}${'░'.repeat(barCells - filled)} ${Math.floor(share * 100)}%`;
}

/** `████░░ 67% of 12 MiB` */
export function progressText(doneBytes: number, totalBytes: number): string {
  return `${progressBar(doneBytes, totalBytes)} of ${sizeText(totalBytes)}`;
}

export function sizeText(bytes: number): string {
  return bytes >= gibibyte ? `${(bytes / gibibyte).toFixed(1)} GiB` : `${Math.ceil(bytes / mebibyte)} MiB`;
}

export class Terminal {
  readonly #stream: NodeJS.WriteStream;
  #bar = '';

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  get isTty(): boolean {
    return this.#stream.isTTY === true;
  }

  /** Text that ends with a line break; the bar stays below it. */
  write(text: string): void {
    this.#stream.write(this.#bar === '' ? text : `${clearLine}${text}${this.#bar}`);
  }

  /** An empty text takes the bar away. Nothing happens where no terminal is. */
  showBar(text: string): void {
    if (!this.isTty) return;
    const bar = text.slice(0, this.#stream.columns - 1);
    if (bar === this.#bar) return;
    this.#bar = bar;
    this.#stream.write(`${clearLine}${bar}`);
  }
}
