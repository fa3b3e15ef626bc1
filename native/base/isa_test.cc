#include "base/isa.h"

#include "test/test.h"

using namespace switchyard;

TEST(isa_is_forced_by_name_and_refuses_unknown_names) {
  Isa isa = Isa::kAvx512;
  CHECK(choose_isa("scalar", &isa).ok());
  CHECK(isa == Isa::kScalar);
  CHECK(choose_isa(nullptr, &isa).ok());
  CHECK(isa == available_isas().back());
  const Status unknown = choose_isa("sse9", &isa);
  CHECK(unknown.code() == Code::kInvalidArgument);
  CHECK(unknown.message().find("scalar") != std::string::npos);
}
