// The command-line tool: ONNX models and plans from a shell. Exit codes: docs/exit-codes.md.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <vector>

#include "cli/commands.h"
#include "cli/json.h"
#include "cli/text.h"
#include "tenon/tenon.h"

namespace tenon::cli {
namespace {

// Names that a parser knows, as they are typed.
std::vector<std::string> known_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) names.push_back("-" + name);
  }
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(command->get_name());
  return names;
}

// What to say of arguments that nothing takes, with the nearest name.
std::string unknown_argument(const CLI::App& app, const std::vector<Command>& commands) {
  const CLI::App* parser = &app;
  for (const Command& command : commands)
    if (command.parser->parsed()) parser = command.parser;
  for (const std::string& typed : app.remaining(true)) {
    const std::string name = typed.substr(0, typed.find('='));
    const std::string nearest = did_you_mean(name, known_names(*parser));
    if (name.size() > 1 && name[0] == '-') return "unknown option " + name + (nearest.empty() ? "" : nearest);
    if (parser == &app) return "unknown command " + name + (nearest.empty() ? "" : nearest);
    return "unexpected argument " + name;
  }
  return "unknown arguments";
}

int report(const Failure& failure, bool json) {
  if (failure.message.empty()) return failure.exit_code;  // what was printed says all
  std::fprintf(stderr, "tenon: %s\n", failure.message.c_str());
  if (json) std::puts(json_text({{"error", failure.message}, {"exit_code", failure.exit_code}}).c_str());
  return failure.exit_code;
}

// The command's own code throws where memory ends: tensors of the size that was asked for, file names too
// long.
Expected<void> run(const Command& command) {
  try {
    return command.run();
  } catch (const std::bad_alloc&) {
    return fail(kExitFailure, "out of memory");
  } catch (const std::exception& error) {
    return fail(kExitFailure, "{}", error.what());
  }
}

int main(int argc, char** argv) {
  bool json = false;
  for (int i = 1; i < argc; ++i) json = json || std::string_view(argv[i]) == "--json";

  CLI::App app("Tenon: turns trained networks into plans for this machine, and runs them.", "tenon");
  app.set_version_flag("--version", tn_build_info());
  app.require_subcommand(1);
  const std::vector<Command> commands = {add_build(app),   add_run(app),   add_bench(app),
                                         add_inspect(app), add_refit(app), add_convert(app)};
  try {
    app.parse(argc, argv);
  } catch (const CLI::ExtrasError&) {
    return report({kExitUsage, unknown_argument(app, commands)}, json);
  } catch (const CLI::RequiredError& error) {
    // A mistyped word is reported as such, not as the lack of what it was meant to be.
    if (!app.remaining(true).empty()) return report({kExitUsage, unknown_argument(app, commands)}, json);
    return report({kExitUsage, std::string(error.what()) + " (see --help)"}, json);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    return report({kExitUsage, error.what()}, json);
  }
  for (const Command& command : commands) {
    if (!command.parser->parsed()) continue;
    if (const Expected<void> done = run(command); !done) return report(done.error(), json);
    if (std::fflush(stdout) != 0) return report({kExitOutput, "cannot write to standard output"}, json);
  }
  return kExitOk;
}

}  // namespace
}  // namespace tenon::cli

int main(int argc, char** argv) { return tenon::cli::main(argc, argv); }
