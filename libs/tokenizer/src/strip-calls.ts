// strip, lstrip and rstrip of texts as Python has them. Used by ChatTemplate: templates take line breaks away from an answer and leave its
// spaces, while the Jinja package ignores what is to be stripped and always takes all white space.
// Source: https://docs.python.org/3/library/stdtypes.html#str.strip.
import { isObject } from './json.js';

type Sides = 'both' | 'left' | 'right';

const methodSides: Readonly<Record<string, Sides>> = { strip: 'both', lstrip: 'left', rstrip: 'right' };

/** What Python counts as white space. */
const WHITE_SPACE =
  '\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000';

/** Prefix of the functions that calls are made to; no name of a template has it. */
const PREFIX = 'python ';

/** Variables that a template needs after redirectStripCalls. */
export const stripFunctions: Readonly<Record<string, unknown>> = Object.fromEntries(
  Object.entries(methodSides).map(([method, sides]) => [
    PREFIX + method,
    (text: unknown, chars?: unknown) => strip(text, chars, { method, sides }),
  ]),
);

/** Makes every call of a method in a parsed template, `text.strip(chars)`, one of a function, `strip(text, chars)`. */
export function redirectStripCalls(node: unknown): void {
  if (Array.isArray(node)) {
    node.forEach(redirectStripCalls);
  } else if (isObject(node)) {
    redirect(node);
    Object.values(node).forEach(redirectStripCalls);
  }
}

function redirect(node: Record<string, unknown>): void {
  const { callee } = node;
  if (node.type !== 'CallExpression' || !isObject(callee) || callee.type !== 'MemberExpression') return;
  const { property } = callee;
  if (callee.computed === true || !isObject(property) || !Object.hasOwn(methodSides, String(property.value))) return;
  node.callee = { type: 'Identifier', value: PREFIX + String(property.value) };
  node.args = [callee.object, ...(node.args as unknown[])];
}

function strip(text: unknown, chars: unknown, { method, sides }: { method: string; sides: Sides }): string {
  if (typeof text !== 'string') throw new Error(`${method} is for texts only`);
  const stripped = new Set(typeof chars === 'string' ? chars : WHITE_SPACE);
  const kept = [...text];
  let [start, end] = [0, kept.length];
  if (sides !== 'right') while (start < end && stripped.has(kept[start] as string)) start++;
  if (sides !== 'left') while (end > start && stripped.has(kept[end - 1] as string)) end--;
  return kept.slice(start, end).join('');
}
