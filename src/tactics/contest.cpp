#include "tactics/contest.h"

#include <algorithm>
#include <cmath>

namespace tenon {
namespace {

std::vector<double> sorted(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values;
}

double median(const std::vector<double>& of) {
  const std::vector<double> values = sorted(of);
  return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
}

double mean_logarithm(const std::vector<double>& times) {
  double sum = 0;
  for (double time : times) sum += std::log(time);
  return sum / static_cast<double>(times.size());
}

}  // namespace

std::optional<std::vector<double>> contest(Timer& timer, std::span<const Trial> trials, const std::vector<double>& first, int count,
                                           const std::function<bool()>& stop) {
  auto turns = timer.turns(trials, count, stop);
  if (!turns) return {};
  if (!first.empty()) turns->push_back(first);
  if (turns->empty()) return {};
  // By trial: logarithms of shares of the turns' geometric means, and times.
  std::vector<std::vector<double>> shares(trials.size()), times(trials.size());
  for (const std::vector<double>& turn : *turns) {
    const double mean = mean_logarithm(turn);
    for (size_t i = 0; i < trials.size(); ++i) {
      shares[i].push_back(std::log(turn[i]) - mean);
      times[i].push_back(turn[i]);
    }
  }
  std::vector<double> out;
  for (const std::vector<double>& each : shares) out.push_back(median(each));
  const auto winner = static_cast<size_t>(std::min_element(out.begin(), out.end()) - out.begin());
  const double share = out[winner], quartile = sorted(times[winner])[times[winner].size() / 4];
  for (double& time : out) time = quartile * std::exp(time - share);
  return out;
}

std::vector<double> scaled(std::vector<double> times, const std::vector<double>& as) {
  const double factor = std::exp(mean_logarithm(as) - mean_logarithm(times));
  for (double& time : times) time *= factor;
  return times;
}

}  // namespace tenon
