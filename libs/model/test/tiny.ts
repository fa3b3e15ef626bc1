// The shipped model's own files, as the starting point of this library's tests.
import { readFileSync } from 'node:fs';

const dir = new URL('../../../models/switchyard-tiny/', import.meta.url);

/** Fresh copies, so that a test may change them. */
export function tinyConfig(): Record<string, unknown> {
  return JSON.parse(readFileSync(new URL('config.json', dir), 'utf8'));
}

export function tinyGeneration(): Record<string, unknown> {
  return JSON.parse(readFileSync(new URL('generation_config.json', dir), 'utf8'));
}

/** Size field, header and size of the safetensors file. */
export function tinyHeader(): { bytes: Uint8Array; fileBytes: number } {
  const file = readFileSync(new URL('model.safetensors', dir));
  const headerBytes = 8 + Number(file.readBigUInt64LE(0));
  return { bytes: new Uint8Array(file.subarray(0, headerBytes)), fileBytes: file.byteLength };
}

/** Header bytes for any JSON text. */
export function headerOf(json: string): Uint8Array {
  const text = new TextEncoder().encode(json);
  const bytes = new Uint8Array(8 + text.byteLength);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.byteLength), true);
  bytes.set(text, 8);
  return bytes;
}
