// Which tokens of a text are computed together, and which of them count. Pure. Called by compare.ts.

/** Tokens [start, end) are run as one sequence; those from `firstScored` on are scored, each by what stands before it in the window. */
export interface Window {
  start: number;
  end: number;
  firstScored: number;
}

/**
 * Every token but the first of the text is scored once: in the first window after all that stands before it, in the others, which begin
 * half a window apart, after at least half a window.
 */
export function windowsOf(numTokens: number, windowTokens: number): Window[] {
  const stride = Math.floor(windowTokens / 2);
  const windows: Window[] = [];
  for (let start = 0, firstScored = 1; firstScored < numTokens; start += stride) {
    const end = Math.min(start + windowTokens, numTokens);
    windows.push({ start, end, firstScored });
    firstScored = end;
  }
  return windows;
}
