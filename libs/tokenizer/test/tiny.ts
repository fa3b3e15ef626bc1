// The shipped model's tokenizer and the golden rows of its trainer.
import { readFileSync } from 'node:fs';
import { Tokenizer, type TokenizerFiles } from '../src/index.js';

const root = new URL('../../../', import.meta.url);

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(new URL(path, root), 'utf8'));
}

/** Fresh copies, so that a test may change them. */
export function tinyFiles(): { tokenizer: Record<string, unknown>; config: Record<string, unknown> } {
  const files: TokenizerFiles = {
    tokenizer: readJson('models/switchyard-tiny/tokenizer.json'),
    config: readJson('models/switchyard-tiny/tokenizer_config.json'),
  };
  return files as { tokenizer: Record<string, unknown>; config: Record<string, unknown> };
}

export const tiny = Tokenizer.of(tinyFiles());

export interface GoldenRow {
  text: string;
  ids: number[];
  greedy_ids: number[];
  greedy_text: string;
}

export const goldenRows = (readJson('test/fixtures/switchyard-tiny.golden.json') as { rows: GoldenRow[] }).rows;

/** Texts of many scripts, with characters of every length in UTF-8. */
export const multilingual = [
  'There once was a brave fox called Tess.',
  'Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich',
  'Съешь же ещё этих мягких французских булок',
  '天地玄黃 宇宙洪荒 日月盈昃 辰宿列張',
  'いろはにほへと ちりぬるを',
  'نص حكيم له سر قاطع وذو شأن عظيم',
  '키스의 고유조건은 입술끼리 만나야 한다',
  '👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🦊🐉 e\u0301 \u{1F1E9}\u{1F1EA}',
  '𝔘𝔫𝔦𝔠𝔬𝔡𝔢 \u{10FFFF} \uFEFF \u0000 \u200B',
  '  def f(x):\r\n\treturn x  \n\n\n',
];
