// See isa.h. An instruction set counts as available when CPUID has every feature that the build's flags for it may emit
// and XCR0 says that the operating system saves its registers.
#include "base/isa.h"

#include <cstring>
#include <vector>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace switchyard {
namespace {

constexpr Isa kAll[] = {Isa::kScalar, Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512, Isa::kAvx512Vnni, Isa::kAvx512Bf16};

#if defined(__x86_64__)
uint64_t read_xcr0() {
  uint32_t low;
  uint32_t high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t{high} << 32) | low;
}

bool is_intel() {
  uint32_t a, b, c, d;
  return __get_cpuid(0, &a, &b, &c, &d) && b == signature_INTEL_ebx && d == signature_INTEL_edx;
}

/// Family as AMD counts them, 0 for other makers' processors.
uint32_t amd_family() {
  uint32_t a, b, c, d;
  if (!__get_cpuid(0, &a, &b, &c, &d) || b != signature_AMD_ebx || d != signature_AMD_edx) return 0;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
  const uint32_t base = a >> 8 & 0xf;
  return base == 0xf ? base + (a >> 20 & 0xff) : base;
}

/// EAX of the second part of CPUID's leaf 7.
uint32_t more_features() {
  uint32_t a, b, c, d;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) ? a : 0;
}

std::vector<Isa> detect() {
  std::vector<Isa> isas{Isa::kScalar};
  uint32_t a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return isas;
  const bool has_xsave_avx_fma_f16c = (c & bit_OSXSAVE) && (c & bit_AVX) && (c & bit_FMA) && (c & bit_F16C);
  if (!has_xsave_avx_fma_f16c || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return isas;
  const uint64_t xcr0 = read_xcr0();
  constexpr uint64_t kYmm = 0x6;
  constexpr uint64_t kZmm = 0xe6;
  if (!(b & bit_AVX2) || (xcr0 & kYmm) != kYmm) return isas;
  isas.push_back(Isa::kAvx2);
  const uint32_t more = more_features();
  if (more & bit_AVXVNNI) isas.push_back(Isa::kAvxVnni);
  const uint32_t needed = bit_AVX512F | bit_AVX512BW | bit_AVX512VL | bit_AVX512DQ;
  if ((b & needed) != needed || (xcr0 & kZmm) != kZmm) return isas;
  isas.push_back(Isa::kAvx512);
  if (!(c & bit_AVX512VNNI)) return isas;
  isas.push_back(Isa::kAvx512Vnni);
  if (!(more & bit_AVX512BF16)) return isas;
  // Intel's cores take two cycles for a vdpbf16ps, and do two fma in one.
  isas.insert(is_intel() ? isas.end() - 1 : isas.end(), Isa::kAvx512Bf16);
  return isas;
}
#else
uint32_t amd_family() { return 0; }

std::vector<Isa> detect() { return {Isa::kScalar}; }
#endif

std::string list_available() {
  std::string names;
  for (const Isa isa : available_isas()) names += (names.empty() ? "" : ", ") + std::string(isa_name(isa));
  return names;
}

}  // namespace

const char* isa_name(Isa isa) {
  switch (isa) {
    case Isa::kScalar:
      return "scalar";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvxVnni:
      return "avxvnni";
    case Isa::kAvx512:
      return "avx512";
    case Isa::kAvx512Vnni:
      return "avx512vnni";
    case Isa::kAvx512Bf16:
      return "avx512bf16";
  }
  return "unknown";
}

std::span<const Isa> available_isas() {
  static const auto* isas = new std::vector<Isa>(detect());  // never destroyed: threads may outlive static destructors
  return *isas;
}

bool has_quick_string_copy() {
  constexpr uint32_t kZen5 = 0x1a;
  return amd_family() >= kZen5;
}

Status choose_isa(const char* forced, Isa* isa) {
  if (!forced) {
    *isa = available_isas().back();
    return {};
  }
  for (const Isa known : kAll) {
    if (std::strcmp(forced, isa_name(known)) != 0) continue;
    for (const Isa available : available_isas()) {
      if (available == known) {
        *isa = known;
        return {};
      }
    }
    return {Code::kUnsupported, std::string("SWITCHYARD_ISA=") + forced +
                                    " is not available on this machine; available: " + list_available()};
  }
  return {Code::kInvalidArgument,
          std::string("SWITCHYARD_ISA=") + forced + " is unknown; available: " + list_available()};
}

}  // namespace switchyard
