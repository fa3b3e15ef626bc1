// What every check of this project returns: a place and a sentence. An empty list means that the rule holds.

export interface Finding {
  /** Path relative to the repository's root, with ':line' where a line is known. */
  where: string;
  /** What is wrong, and what to do instead where that is not obvious. */
  what: string;
}
