// The byte-level alphabet: how vocabularies of GPT-2's kind write arbitrary bytes as printable characters.
// Used by token-table.ts. Source: bytes_to_unicode in openai/gpt-2, encoder.py.

/** charToByte.get(character) = the byte it stands for. */
export const charToByte: ReadonlyMap<string, number> = makeCharToByte();

/** Printable bytes stand for themselves; the others, in ascending order, for the characters from U+0100 on. */
function makeCharToByte(): Map<string, number> {
  const map = new Map<string, number>();
  let numUnprintable = 0;
  for (let byte = 0; byte < 256; byte++) {
    const isPrintable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    map.set(String.fromCharCode(isPrintable ? byte : 0x100 + numUnprintable), byte);
    if (!isPrintable) numUnprintable++;
  }
  return map;
}
