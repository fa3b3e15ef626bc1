// The byte-level alphabet: how vocabularies of GPT-2's kind write arbitrary bytes as printable characters.
// Used by bpe.ts and token-spelling.ts. Source: bytes_to_unicode in openai/gpt-2, encoder.py.

/** byteToChar[byte] = the character that stands for it. */
export const byteToChar: readonly string[] = makeByteToChar();

const byteOfChar: readonly number[] = makeByteOfChar();

/** The byte that a character stands for; -1 for a character that is not in the alphabet. */
export function charCodeToByte(charCode: number): number {
  return byteOfChar[charCode] ?? -1;
}

/** Printable bytes stand for themselves; the others, in ascending order, for the characters from U+0100 on. */
function makeByteToChar(): string[] {
  let numUnprintable = 0;
  return Array.from({ length: 256 }, (_, byte) => {
    const isPrintable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    return String.fromCharCode(isPrintable ? byte : 0x100 + numUnprintable++);
  });
}

function makeByteOfChar(): number[] {
  const bytes: number[] = Array(0x200).fill(-1);
  byteToChar.forEach((char, byte) => {
    bytes[char.charCodeAt(0)] = byte;
  });
  return bytes;
}
