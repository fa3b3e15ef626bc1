// Server-sent events as a client reads them. Strict where it matters: an event ends with an empty line, a stream that ends
// inside one is reported.

export interface ServerEvent {
  /** Name of the event; "message" when it has none. */
  event: string;
  data: string;
}

/** Events of a response body, each as soon as it is complete. Throws what the connection throws. */
export async function* readEvents(response: Response): AsyncGenerator<ServerEvent> {
  if (response.body === null) throw new Error('the response has no body');
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let pending = '';
  for await (const chunk of response.body) {
    pending += decoder.decode(chunk, { stream: true });
    const blocks = pending.split('\n\n');
    pending = blocks.pop() ?? '';
    for (const block of blocks) {
      const event = parseBlock(block);
      if (event !== undefined) yield event;
    }
  }
  if (pending !== '') throw new Error(`the stream ended inside an event: ${JSON.stringify(pending)}`);
}

/** Undefined for a block of comments, which servers send to keep a connection alive. */
function parseBlock(block: string): ServerEvent | undefined {
  const data: string[] = [];
  let event = 'message';
  for (const line of block.split('\n')) {
    const colon = line.indexOf(':');
    if (colon === 0) continue;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') data.push(value);
    if (field === 'event') event = value;
  }
  return data.length === 0 ? undefined : { event, data: data.join('\n') };
}
