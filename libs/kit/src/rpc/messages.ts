// The messages of a grpc-js stream as an async iterable, on both sides of a call. Unlike the stream's own iterator it
// never destroys the stream (that would lose the status) and it reads ahead a bounded number of messages.
import type { EventEmitter } from 'node:events';

/** The events and controls of a grpc-js stream that are used here. */
export type MessageSource = Pick<EventEmitter, 'on'> & { pause(): unknown; resume(): unknown };

const numBufferedMax = 16;

export interface MessageQueue<T> extends AsyncIterable<T> {
  /** Ends the iteration after what has arrived, by throwing the error if there is one. */
  finish(error?: Error): void;
}

/**
 * Reads `source` from now on. The one who makes the queue calls finish() when the call ends; `onAbandon` is called
 * when the reader leaves its loop early.
 */
export function readMessages<T>(source: MessageSource, onAbandon: () => void): MessageQueue<T> {
  const buffered: T[] = [];
  let ended = false;
  let failure: Error | undefined;
  let wake: (() => void) | undefined;
  const notify = () => {
    wake?.();
    wake = undefined;
  };
  source.on('data', (message: T) => {
    buffered.push(message);
    if (buffered.length >= numBufferedMax) source.pause();
    notify();
  });

  async function* iterate(): AsyncGenerator<T> {
    let abandoned = true;
    try {
      while (true) {
        const message = buffered.shift();
        if (message !== undefined) {
          if (buffered.length < numBufferedMax / 2) source.resume();
          yield message;
        } else if (ended) break;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
      abandoned = false;
    } finally {
      if (abandoned) onAbandon();
    }
    if (failure) throw failure;
  }

  const iterator = iterate();
  return {
    finish(error) {
      ended = true;
      failure ??= error;
      notify();
    },
    [Symbol.asyncIterator]: () => iterator,
  };
}
