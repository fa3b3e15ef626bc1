// What the rest of the system knows of a model: its shape (ModelSpec) and where its tensors lie (WeightPlan).
// Made from a Hugging Face directory or a GGUF file by this library. What of it the native executor gets, and what the
// executor cannot run yet, is in executor-spec.ts.

/** Numeric policies of docs/numerics.md. */
export const numericPolicies = ['fp32', 'bf16', 'w8a8', 'block-a8'] as const;
export type NumericPolicy = (typeof numericPolicies)[number];

/** Kernel classes of docs/numerics.md: in `mla-split` prompts attend to keys and values that are widened from the latents (MLA alone). */
export const kernelClasses = ['fma16', 'mla-split'] as const;
export type KernelClass = (typeof kernelClasses)[number];

export type FamilyName =
  | 'deepseek-v3'
  | 'kimi-k2'
  | 'deepseek-v2'
  | 'qwen3-moe'
  | 'qwen2-moe'
  | 'glm4-moe'
  | 'minimax-m2'
  | 'olmoe'
  | 'mixtral'
  | 'llama'
  | 'mistral'
  | 'qwen3'
  | 'qwen2';

/** How rotary frequencies differ from theta^(-2i/d). Names and formulas: transformers, modeling_rope_utils.py. */
export type RopeScaling =
  | { type: 'default' }
  /** Positions are divided by `factor`. */
  | { type: 'linear'; factor: number }
  /** Theta grows with the length of a sequence beyond `originalMaxPositions` (NTK). */
  | { type: 'dynamic'; factor: number; originalMaxPositions: number }
  | YarnScaling
  | {
      type: 'llama3';
      factor: number;
      lowFreqFactor: number;
      highFreqFactor: number;
      originalMaxPositions: number;
    }
  /** Frequency i is divided by element i of the tensor `rope_freqs.weight` [rotaryDim / 2] (GGUF files of llama3). */
  | { type: 'tensor' };

export interface YarnScaling {
  type: 'yarn';
  factor: number;
  originalMaxPositions: number;
  betaFast: number;
  betaSlow: number;
  /** Multiplies cosine and sine. */
  attentionFactor: number;
  /** Whether the ends of the ramp between the two kinds of frequencies are rounded to whole dimensions. */
  truncate: boolean;
}

/** Shape of a decoder-only transformer. Counts are plain numbers, dimensions are in elements; 0 where a model has none. */
export interface ModelSpec {
  family: FamilyName;
  vocabSize: number;
  hiddenSize: number;
  /** Main layers, MTP layers excluded. */
  numLayers: number;
  /** The first layers whose FFN is dense; all of them in a dense model. */
  numDenseLayers: number;
  /** Further layers whose FFN is dense, ascending; most models have none. */
  extraDenseLayers: number[];
  tieWordEmbeddings: boolean;
  rmsNormEps: number;
  /** Longest sequence in tokens, prompt and answer together. */
  maxPositions: number;
  numMtpLayers: number;

  /** Latent attention, or heads that share keys and values in groups. */
  attention: 'mla' | 'gqa';
  numHeads: number;
  /** Equals numHeads in MLA. */
  numKvHeads: number;
  /** Of a query and a key: qkNopeHeadDim + qkRopeHeadDim in MLA. */
  headDim: number;
  vHeadDim: number;
  /** MLA only. 0: the query is projected at once, by q_proj. */
  qLoraRank: number;
  /** MLA only, as the two that follow. */
  kvLoraRank: number;
  qkNopeHeadDim: number;
  qkRopeHeadDim: number;
  /** MLA only. Epsilon of the norms of the two latents, which the other norms need not have. */
  latentNormEps: number;
  /**
   * kv_b_proj stands as k_b_proj [numHeads, kvLoraRank, qkNopeHeadDim] and v_b_proj [numHeads, vHeadDim, kvLoraRank]
   * (newer GGUF files), not as [numHeads * (qkNopeHeadDim + vHeadDim), kvLoraRank].
   */
  hasSplitKvB: boolean;
  /** RMSNorm of queries and keys before RoPE: over each head, or over all heads of a token at once. */
  qkNorm: 'none' | 'head' | 'full';
  /** In MLA of q_a_proj and kv_a_proj_with_mqa. */
  hasQkvBias: boolean;
  hasOutputBias: boolean;
  /** The scores are multiplied by this over sqrt(headDim). */
  attentionScaleFactor: number;
  /** Keys that a query sees, its own included, in the layers of `slidingLayers`, ascending; 0: all keys in all layers. */
  slidingWindow: number;
  slidingLayers: number[];

  ropeTheta: number;
  ropeScaling: RopeScaling;
  /** Pairs are (2i, 2i + 1); otherwise (i, i + rotaryDim / 2). */
  ropeInterleaved: boolean;
  /** The first dimensions of a head (the last qkRopeHeadDim of an MLA head) are turned. */
  rotaryDim: number;

  intermediateSize: number;
  /** Of dense and shared FFNs. */
  hasFfnBias: boolean;
  moeIntermediateSize: number;
  numExperts: number;
  numExpertsPerToken: number;
  /** Shared experts of a layer; they are stored as one FFN of width sharedIntermediateSize. */
  numSharedExperts: number;
  sharedIntermediateSize: number;
  /** The shared expert's output is multiplied by sigmoid(shared_expert_gate x). */
  hasSharedExpertGate: boolean;
  router: 'sigmoid' | 'softmax';
  /** A bias is added to the scores for the choice of experts, not for their weights. */
  hasRouterBias: boolean;
  /** What a group of experts is chosen by: the sum of its two largest scores, or its largest one. */
  groupScore: 'top2-sum' | 'max';
  numExpertGroups: number;
  numTopkGroups: number;
  routedScalingFactor: number;
  normTopkProb: boolean;

  /** What quantised matrices of the checkpoint look like; others may lie beside them in plain floats. */
  quantization: Quantization;
  /** K-slices S of row-parallel products (numeric contract, D2): at most 8, dividing heads and quantisation blocks. */
  numSlices: number;
  eosTokenIds: number[];
}

/** `gguf`: any of the block types of GgufDtype. */
export type Quantization = 'none' | 'gguf' | ScaledWeights;

/** 8-bit matrices with scales in tensors of their own: a weight is its value times its scale. */
export interface ScaledWeights {
  dtype: 'F8_E4M3' | 'I8';
  /** What the name of a matrix gets for that of its scales. */
  scaleSuffix: '_scale_inv' | '_scale';
  /** Which weights share a scale: blocks of [rows, columns], cut at the edges; a row; or all of a matrix. */
  sharing: readonly [rows: number, columns: number] | 'row' | 'matrix';
  /** What the checkpoint's makers round activations to, `int8-token` with a scale for each token; null for nothing. */
  activations: 'int8-token' | 'int8' | 'fp8' | null;
}

export type PlainDtype = 'BF16' | 'F16' | 'F32';
export type GgufDtype = 'Q8_0' | 'Q4_0' | 'Q4_1' | 'Q5_0' | 'Q5_1' | 'Q4_K' | 'Q5_K' | 'Q6_K';
export type TensorDtype = PlainDtype | 'F8_E4M3' | 'I8' | GgufDtype;

/** One tensor of a weight file: `file` is its absolute path (in a plan), `offset` is absolute in the file, `bytes` is what shape and dtype need. */
export interface WeightTensor {
  name: string;
  file: string;
  offset: number;
  bytes: number;
  dtype: TensorDtype;
  /** Row-major: the last dimension is contiguous. */
  shape: number[];
  /** In a plan, what an F8_E4M3 or I8 matrix is multiplied by: [rows / block rows, columns / block columns], rounded up. */
  scales?: WeightTensor;
  /** Of a matrix with scales: [rows, columns] that share one. */
  scaleBlock?: [rows: number, columns: number];
}

export interface WeightPlan {
  /** Hex digest of configuration and tensor index: equal digests mean the same model. */
  digest: string;
  /** Under the names of tensor-list.ts, whatever the files call them. */
  tensors: WeightTensor[];
}
