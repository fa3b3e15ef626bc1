// Interleaves several streams into one, in the order their items come. Used for requests with several prompts.

export interface Merged<T> {
  /** Which stream the item is from. */
  sourceIdx: number;
  value: T;
}

/**
 * Ends when all have ended. The first failure is thrown, and whichever way it ends no source is left open: one that works on an
 * item is closed when that is there, which its own signal may hasten.
 */
export async function* merge<T>(sources: AsyncGenerator<T>[]): AsyncGenerator<Merged<T>> {
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
    for (const source of sources) source.return(undefined).catch(() => undefined);
  }
}

async function pull<T>(source: AsyncGenerator<T>, sourceIdx: number) {
  return { source, sourceIdx, result: await source.next() };
}
