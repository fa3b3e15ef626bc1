// Standard output of the local provider: lines, and on a terminal a bar below them that says how far the weights are.
import { cluster } from '@switchyard/proto';
import type { Member } from '@switchyard/registry';

const barCells = 24;
const gibibyte = 2 ** 30;
const mebibyte = 2 ** 20;
const clearLine = '\r\x1b[K';

const phaseTexts: Partial<Record<cluster.LoadPhase, string>> = {
  [cluster.LoadPhase.HASHING]: 'reading',
  [cluster.LoadPhase.PACKING]: 'packing',
};

/** Of each model whose files somebody works on, the one that does. Pure. */
export function barText(members: readonly Member[]): string {
  const byModel = new Map<string, cluster.LoadProgress>();
  for (const { loading } of members) {
    if (loading && phaseTexts[loading.phase] !== undefined) byModel.set(loading.model, loading);
  }
  return [...byModel.values()].map(textOf).join('   ');
}

function textOf({ model, phase, doneBytes, totalBytes }: cluster.LoadProgress): string {
  const share = totalBytes > 0n ? Math.min(1, Number(doneBytes) / Number(totalBytes)) : 0;
  const filled = Math.round(share * barCells);
  const bar = '█'.repeat(filled) + '░'.repeat(barCells - filled);
  return `${phaseTexts[phase]} ${model} ${bar} ${Math.floor(share * 100)}% of ${sizeText(Number(totalBytes))}`;
}

function sizeText(bytes: number): string {
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
