// Rows of a matrix of any stored type made narrower for a checkpoint: INT8 with a scale a row (W8A8), or bfloat16. Called by
// `npm run quantize` through the addon (native/addon/quantize_binding.cc), never while a model is loaded or served.
//
// INT8: s = amax / 127, rounded to the type that scales are stored in; q = rint(w / s), ties to even, at most 127 in magnitude. With
// the rounded s in the quotient every weight is within s / 2 of q * s, whatever the rounding of s did. A row whose amax is below
// 2^-100 counts as zero, as in base/quantize_row.h: s = 0, all q 0.
#pragma once

#include "executor/weights/weight_files.h"

namespace switchyard::executor {

enum class ScaleType : uint8_t { kBf16, kF32 };

/// Rows [first, first + count) of a matrix: values [count][columns], scales [count]. INVALID_ARGUMENT for a row with a NaN or an
/// infinity, which has no scale.
Status quantize_rows(const StoredTensor& matrix, int64_t first, int64_t count, ScaleType scale_type, int8_t* values,
                     float* scales);

/// The same rows to the nearest bfloat16: out [count][columns].
void round_rows(const StoredTensor& matrix, int64_t first, int64_t count, uint16_t* out);

}  // namespace switchyard::executor
