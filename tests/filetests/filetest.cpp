// Runs filetests: text IR in, the passes named in the file, text IR (or an error) out.
//
//   filetest [--bless] [--canary] FILE-OR-FOLDER ...
//
// A file's first line is `; run: PASS ...`; then the graph; then, after a line `; expect`, what must come out. A failure
// is expected as `; error: TEXT` lines, each of which the message must hold. After every pass the graph is verified, and
// print(parse(print(graph))) must be print(graph). --canary turns one expectation around, so that a run must fail.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "ops/ops.h"
#include "passes/passes.h"

namespace tenon {
namespace {

namespace fs = std::filesystem;

struct Case {
  std::vector<std::string> passes;
  std::string head;       // comment lines at the top, as they are
  std::string graph;
  std::string expect;
};

std::string read(const fs::path& path) {
  std::ifstream in(path);
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}

bool starts(const std::string& line, const char* prefix) { return line.rfind(prefix, 0) == 0; }

Case parse_case(const std::string& text) {
  Case out;
  std::stringstream lines(text);
  std::string line;
  bool in_expectation = false, in_head = true;
  while (std::getline(lines, line)) {
    if (starts(line, "; expect")) {
      in_expectation = true;
      continue;
    }
    in_head = in_head && starts(line, ";");
    if (in_head) out.head += line + "\n";
    if (starts(line, "; run:")) {
      std::stringstream names(line.substr(6));
      for (std::string name; names >> name;) out.passes.push_back(name);
    } else if (!in_head) {
      (in_expectation ? out.expect : out.graph) += line + "\n";
    }
  }
  return out;
}

Status round_trip(const Graph& graph) {
  std::string once = print(graph);
  auto again = parse_graph(once, find_op);
  if (!again) return trail(std::move(again.error()), "the printed graph does not parse:\n{}", once);
  if (std::string twice = print(*again); twice != once)
    return fail(Code::internal, "the printed graph changes when it is parsed:\n{}{}", once, twice);
  return {};
}

Result<std::string> run_passes(const Case& test) {
  TN_ASSIGN(Graph graph, parse_graph(test.graph, find_op));
  TN_TRY(verify(graph));
  TN_TRY(round_trip(graph));
  for (const std::string& name : test.passes) {
    const Pass* pass = find_pass(name);
    if (!pass) return fail(Code::not_found, "there is no pass {}", name);
    TN_TRY(pass->run(graph, {}));
    if (auto status = verify(graph); !status) return trail(std::move(status.error()), "after pass {}", name);
    if (auto status = round_trip(graph); !status) return trail(std::move(status.error()), "after pass {}", name);
  }
  return print(graph);
}

// What the file should hold behind `; expect`.
std::string outcome(const Case& test) {
  auto result = run_passes(test);
  if (result) return *result;
  std::string out;
  std::stringstream lines(result.error().text());
  for (std::string line; std::getline(lines, line);) out += "; error: " + line + "\n";
  return out;
}

// Errors match when every expected line is part of the message; graphs match as a whole.
bool matches(const std::string& expected, const std::string& got) {
  if (!starts(expected, "; error:")) return expected == got;
  std::stringstream lines(expected);
  for (std::string line; std::getline(lines, line);)
    if (got.find(line.substr(std::string("; error: ").size())) == std::string::npos) return false;
  return starts(got, "; error:");
}

std::vector<fs::path> files_in(const fs::path& path) {
  if (!fs::is_directory(path)) return {path};
  std::vector<fs::path> out;
  for (const auto& entry : fs::recursive_directory_iterator(path))
    if (entry.path().extension() == ".ir") out.push_back(entry.path());
  std::sort(out.begin(), out.end());
  return out;
}

// Each pass that no file runs, when all files are run.
int passes_without_test(const std::set<std::string>& seen) {
  int missing = 0;
  for (const Pass* pass : all_passes())
    if (!seen.count(std::string(pass->name)) && ++missing)
      std::printf("FAILED pass %s has no filetest\n", std::string(pass->name).c_str());
  return missing;
}

int run(const std::vector<fs::path>& files, bool whole, bool bless, bool canary) {
  std::set<std::string> seen;
  int passed = 0, failed = 0;
  for (const fs::path& file : files) {
    Case test = parse_case(read(file));
    seen.insert(test.passes.begin(), test.passes.end());
    bool planted = canary && passed + failed == 0;
    if (planted) test.expect += "a line that nothing prints\n";
    std::string got = outcome(test);
    if (matches(test.expect, got)) {
      ++passed;
    } else if (bless) {
      std::ofstream(file) << test.head << test.graph << "; expect\n" << got;
      std::printf("blessed %s\n", file.c_str());
      ++passed;
    } else {
      ++failed;
      std::printf("FAILED %s%s\n--- expected\n%s--- got\n%s", planted ? "planted fault in " : "", file.c_str(),
                  test.expect.c_str(), got.c_str());
    }
  }
  if (whole) failed += passes_without_test(seen);
  std::printf("%d passed, %d failed, 0 skipped\n", passed, failed);
  return failed || passed == 0 ? 1 : 0;
}

}  // namespace
}  // namespace tenon

int main(int argc, char** argv) {
  bool whole = false, bless = false, canary = false;
  std::vector<std::filesystem::path> files;
  for (int i = 1; i < argc; ++i) {
    std::string argument = argv[i];
    if (argument == "--bless") bless = true;
    else if (argument == "--canary") canary = true;
    else {
      whole = whole || argument == "tests/filetests";
      for (auto& file : tenon::files_in(argument)) files.push_back(file);
    }
  }
  return tenon::run(files, whole, bless, canary);
}
