// The OpenMP functions that Debian's oneDNN imports, on the team of the step that runs.
//
// libdnnl is built for GNU OpenMP and needs six functions of it. This module defines them, and as the loader looks into
// a module before the libraries that the module needs, libdnnl's parallel regions run on the calling step's Team: no
// second set of threads, none that spins. In a process that had loaded libdnnl or a global libgomp before, libdnnl is
// bound to that one and starts threads of its own, one fewer than the team has for each thread that runs steps, none
// with a team of one; the thread count set here holds either way.
#pragma once

#include <cstdint>

#include "base/team.h"

namespace tenon::onednn {

// How the library runs a loop on a team (device/module.h says why not Team::parallel_for). Set once, by the module's
// entry, before any kernel is used.
using TeamRunner = void (*)(Team& team, int64_t count, void (*function)(void* body, int64_t begin, int64_t end, int member),
                            void* body);
void set_team_runner(TeamRunner runner);

// How many threads a parallel region that this thread opens has, and on which team; without a team a region runs
// inline. Returns the number before.
int set_parallelism(int threads, Team* team);

}  // namespace tenon::onednn
