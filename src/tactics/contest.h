// How several trials of one node compare, whatever else the machine does meanwhile.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "tactics/timer.h"

namespace tenon {

// Microseconds of each trial, from `count` turns in each of which all of them run. How they compare is what most turns say, in
// each of which the machine was the same for all; the quickest one's lower quartile gives the scale, as the timer's own times.
// `first`: one more turn, or none. Nothing where a trial fails, or there is no turn.
std::optional<std::vector<double>> contest(Timer& timer, std::span<const Trial> trials, const std::vector<double>& first, int count,
                                           const std::function<bool()>& stop);

// `times`, with the geometric mean that `as` has.
std::vector<double> scaled(std::vector<double> times, const std::vector<double>& as);

}  // namespace tenon
