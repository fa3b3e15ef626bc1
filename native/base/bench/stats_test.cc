// The harness' order statistics.
#include "base/bench/stats.h"
#include "test/test.h"

using switchyard::bench::mean_of;
using switchyard::bench::quantile_of;

TEST(bench_quantiles_are_by_nearest_rank) {
  std::vector<double> samples{9, 1, 5, 3, 7};
  CHECK(quantile_of(samples, 0.5) == 5);
  CHECK(quantile_of(samples, 0.99) == 9);
  CHECK(quantile_of(samples, 0) == 1);
  CHECK(quantile_of({}, 0.5) == 0);
  std::vector<double> hundred(100);
  for (int i = 0; i < 100; ++i) hundred[i] = 100 - i;
  CHECK(quantile_of(hundred, 0.99) == 99);
  CHECK(mean_of(hundred) == 50.5);
  CHECK(mean_of({}) == 0);
}
