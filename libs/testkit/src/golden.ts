// Golden answers of the shipped model, computed by the trainer's own PyTorch model (tools/tiny-model/golden.py).
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface GoldenRow {
  /** The prompt, chat template applied. */
  text: string;
  /** Its token ids. */
  ids: number[];
  /** Greedy continuation: ends with the end-of-turn token, or after 64 tokens. */
  greedy_ids: number[];
  greedy_text: string;
}

const FORMAT = 'switchyard-golden';
const VERSION = 1;

/** Rows of test/fixtures/switchyard-tiny.golden.json beneath the repository's root. */
export function readGolden(repoRoot: string): GoldenRow[] {
  const path = join(repoRoot, 'test/fixtures/switchyard-tiny.golden.json');
  const file: { format: string; version: number; rows: GoldenRow[] } = JSON.parse(readFileSync(path, 'utf8'));
  if (file.format !== FORMAT || file.version !== VERSION) {
    throw new Error(`${path} is ${file.format} version ${file.version}, not ${FORMAT} version ${VERSION}`);
  }
  return file.rows;
}

const USER_TURN = /^<\|im_start\|>user\n(.*)<\|im_end\|>\n<\|im_start\|>assistant\n$/s;

/** The user's message of a row that is one user turn; undefined for other rows. */
export function userMessageOf(row: GoldenRow): string | undefined {
  return USER_TURN.exec(row.text)?.[1];
}

/** The greedy text as a client sees it: the end-of-turn token is not part of the answer. */
export function visibleText(row: GoldenRow): string {
  return row.greedy_text.replace(/<\|im_end\|>$/, '');
}
