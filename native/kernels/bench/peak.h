// What a core can do at most: loops of independent operations in registers, and reading. One file an instruction set; called by
// limits_bench.cc alone.
#pragma once

#include <cstddef>
#include <cstdint>

namespace switchyard::bench {

/// Independent sums: enough to hide the latency of an operation on two ports, few enough for 16 registers.
inline constexpr int kNumChains = 12;

/// Each does num_rounds > 0 rounds of kNumChains times: a fma of 8 (16) lanes; 32 products of bytes added in int32 by vpmaddubsw, vpmaddwd
/// and vpaddd; 64 of them by vpdpbusd; 32 products of bf16 added in fp32 by vdpbf16ps.
void peak_fp32_avx2(uint64_t num_rounds);
void peak_fp32_avx512(uint64_t num_rounds);
void peak_int8_avx2(uint64_t num_rounds);
void peak_int8_avxvnni(uint64_t num_rounds);
void peak_int8_avx512vnni(uint64_t num_rounds);
void peak_bf16_avx512bf16(uint64_t num_rounds);

/// Loads num_bytes, a multiple of 512, from a boundary of 64.
void read_avx2(const std::byte* data, size_t num_bytes);
void read_avx512(const std::byte* data, size_t num_bytes);

}  // namespace switchyard::bench
