// Where the suite's figures come from: a program, what it is told, and which of its figures counts. Plain data.

/** A case of our native_bench. */
export interface NativeSource {
  from: 'native';
  case: string;
}

/** ucx_perftest between two pinned processes. */
export interface UcxSource {
  from: 'ucx';
  test: 'tag_lat' | 'ucp_put_lat';
  numBytes: number;
  numIterations: number;
}

/** mpi/alltoall.c under mpirun; `work` as in its usage. */
export interface MpiSource {
  from: 'mpi';
  numRanks: number;
  work: readonly string[];
}

/** The model of the messages of an exchange (message-meter.ts). */
export interface ModelSource {
  from: 'model';
  numAttention: number;
  numExperts: number;
  form: 'direct' | 'trampoline';
}

/** A figure that needs no measuring. */
export interface GivenSource {
  from: 'given';
  name: string;
  value: number;
}

export type Source = NativeSource | UcxSource | MpiSource | ModelSource | GivenSource;

/** What one measurement gave: `value` is the figure that counts, in the unit of its row. */
export interface Figures {
  value: number;
  others: Record<string, number>;
}

/** One figure of a source: its value, or one of the others by name. */
export interface FigureRef {
  source: Source;
  figure: string;
}

/** Measures one kind of source, or all. */
export interface Meter<S extends Source> {
  measure(source: S): Promise<Figures>;
  /** Short, with a version where there is one. */
  nameOf(source: S): string;
  /** How it was run, where a reader cannot know. */
  noteOf?(source: S): string | undefined;
}

export const VALUE = 'value';

export const figureOf = (figures: Figures, name: string): number | undefined =>
  name === VALUE ? figures.value : figures.others[name];

/** The same for equal sources, so that what several rows need is measured once a run. */
export const keyOf = (source: Source): string => JSON.stringify(source);
