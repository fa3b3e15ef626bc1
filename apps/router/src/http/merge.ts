// Interleaves several streams into one, in the order their items come. Used for requests with several prompts.

export interface Merged<T> {
  /** Which stream the item is from. */
  sourceIdx: number;
  value: T;
}

/** Ends when all have ended; the first failure is thrown and the other streams are left to their own signal. */
export async function* merge<T>(sources: AsyncIterator<T>[]): AsyncGenerator<Merged<T>> {
  const pending = new Map(sources.map((source, sourceIdx) => [sourceIdx, pull(source, sourceIdx)]));
  try {
    while (pending.size > 0) {
      const { source, sourceIdx, result } = await Promise.race(pending.values());
      pending.delete(sourceIdx);
      if (result.done) continue;
      // Asked for more only after the item was taken: a slow reader slows every stream.
      yield { sourceIdx, value: result.value };
      pending.set(sourceIdx, pull(source, sourceIdx));
    }
  } finally {
    // The failures of the others, which their signal brings about, are nobody's news.
    for (const rest of pending.values()) rest.catch(() => undefined);
  }
}

async function pull<T>(source: AsyncIterator<T>, sourceIdx: number) {
  return { source, sourceIdx, result: await source.next() };
}
