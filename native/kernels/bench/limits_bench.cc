// The machine's limits that kernels are held against: the peak of each instruction set by kind of operation ("limits/peak-KIND-ISA") and
// how fast one thread reads what it read so many bytes before ("limits/read-BYTES"). tools/bench makes rooflines of them.
#include "kernels/bench/kernel_case.h"
#include "kernels/bench/peak.h"

namespace switchyard::bench {

namespace {

constexpr uint64_t kRounds = 4096;

/// `lanes`: products that one operation of a chain adds.
Case peak(const std::string& kind, Isa isa, RateUnit unit, int lanes, void (*loop)(uint64_t)) {
  const double operations = 2.0 * lanes * kNumChains * kRounds;
  return limit_case_of({"peak-" + kind + "-" + isa_name(isa), unit, {operations, 0, 0}, [loop] {
                          return looped([loop](uint64_t) { loop(kRounds); });
                        }});
}

Case reading(size_t num_bytes, void (*read)(const std::byte*, size_t)) {
  return limit_case_of(
      {"read-" + std::to_string(num_bytes), RateUnit::kGbytes, {0, static_cast<double>(num_bytes), num_bytes}, [=] {
         const std::byte* data = ordinary_bytes(num_bytes);
         return looped([=](uint64_t) { read(data, num_bytes); });
       }});
}

std::vector<Case> limits() {
  std::vector<Case> result;
  void (*read)(const std::byte*, size_t) = nullptr;
  for (const Isa isa : available_isas()) {
    if (isa == Isa::kAvx2) {
      result.push_back(peak("fp32", isa, RateUnit::kGflops, 8, peak_fp32_avx2));
      result.push_back(peak("int8", isa, RateUnit::kGops, 32, peak_int8_avx2));
      read = read_avx2;
    } else if (isa == Isa::kAvxVnni) {
      result.push_back(peak("int8", isa, RateUnit::kGops, 32, peak_int8_avxvnni));
    } else if (isa == Isa::kAvx512) {
      result.push_back(peak("fp32", isa, RateUnit::kGflops, 16, peak_fp32_avx512));
      read = read_avx512;
    } else if (isa == Isa::kAvx512Vnni) {
      result.push_back(peak("int8", isa, RateUnit::kGops, 64, peak_int8_avx512vnni));
    } else if (isa == Isa::kAvx512Bf16) {
      result.push_back(peak("fp32", isa, RateUnit::kGflops, 32, peak_bf16_avx512bf16));
    }
  }
  if (!read) return result;
  // First and second level, then past the second, then what is cold.
  for (const size_t num_bytes : {size_t{16} << 10, size_t{512} << 10, size_t{8} << 20, kColdBytes})
    result.push_back(reading(num_bytes, read));
  return result;
}

const CaseTable table(limits());

}  // namespace

}  // namespace switchyard::bench
