// The subcommands: each adds itself to the parser and gives back what runs it.
#pragma once

#include <functional>

#include "cli/failure.h"

namespace CLI {
class App;
}

namespace tenon::cli {

struct Command {
  CLI::App* parser = nullptr;
  std::function<Expected<void>()> run;
};

Command add_build(CLI::App& app);
Command add_run(CLI::App& app);
Command add_bench(CLI::App& app);
Command add_inspect(CLI::App& app);
Command add_refit(CLI::App& app);
Command add_convert(CLI::App& app);

}  // namespace tenon::cli
