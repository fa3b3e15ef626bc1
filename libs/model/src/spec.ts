// What the rest of the system knows of a model: its shape (ModelSpec) and where its tensors lie (WeightPlan).
// Made from a Hugging Face directory by this library, consumed by libs/native and by every service's registration.

/** Numeric policies of docs/numerics.md. More come with the issues Models and Speed. */
export type NumericPolicy = 'fp32';

/** Shape of a DeepSeek-V3 style model. Counts are plain numbers, dimensions are in elements. */
export interface ModelSpec {
  family: 'deepseek-v3';
  vocabSize: number;
  hiddenSize: number;
  /** Main layers, MTP layers excluded. */
  numLayers: number;
  /** The first layers whose FFN is dense. */
  numDenseLayers: number;
  numHeads: number;
  qLoraRank: number;
  kvLoraRank: number;
  qkNopeHeadDim: number;
  qkRopeHeadDim: number;
  vHeadDim: number;
  intermediateSize: number;
  moeIntermediateSize: number;
  numExperts: number;
  numExpertsPerToken: number;
  numSharedExperts: number;
  numExpertGroups: number;
  numTopkGroups: number;
  routedScalingFactor: number;
  normTopkProb: boolean;
  ropeTheta: number;
  rmsNormEps: number;
  /** Longest sequence in tokens, prompt and answer together. */
  maxPositions: number;
  numMtpLayers: number;
  /** K-slices S of row-parallel products (numeric contract, D2): at most 8, dividing heads and quantisation blocks. */
  numSlices: number;
  eosTokenIds: number[];
}

export type TensorDtype = 'BF16' | 'F16' | 'F32';

/** One tensor of a safetensors file: `file` is its absolute path (in a plan), `offset` is absolute in the file, `bytes` equals the product of shape and dtype size. */
export interface WeightTensor {
  name: string;
  file: string;
  offset: number;
  bytes: number;
  dtype: TensorDtype;
  shape: number[];
}

export interface WeightPlan {
  /** Hex digest of configuration and tensor index: equal digests mean the same model. */
  digest: string;
  tensors: WeightTensor[];
}
