// A model or plan with inputs and outputs bound, ready to run: what `tenon run` and `tenon bench` start with.
#pragma once

#include <string>
#include <vector>

#include "cli/model.h"
#include "cli/npy.h"

namespace tenon::cli {

struct InputOptions {
  std::vector<std::string> files;  // NAME=FILE.npy
  std::string shapes;              // NAME:DIMS,…
  uint64_t seed = 0;
};
void add_input_options(CLI::App& app, InputOptions& options);

struct BoundTensor {
  std::string name;
  tn_data_type type = TN_DATA_TYPE_NONE;
  Array array;
};

struct Session {
  Loaded loaded;
  Context context;
  std::vector<BoundTensor> inputs, outputs;
  double build_seconds = 0;  // 0 for a plan
  uint64_t plan_bytes = 0;
};

// Opens `path`, building a plan for exactly the shapes in force where it is an ONNX model. Dims come from the
// input files, then from `shapes`, and what is left becomes 1 (in a plan: the nearest that its profile
// allows). Inputs without a file get seeded random values: floats in [-1, 1), integers and bools 0 or 1,
// which every table of two rows takes.
Expected<Session> open_session(const std::string& path, const Common& common, const InputOptions& options);
// After a run: outputs are as large as it found them, before it as large as they can be.
Expected<void> take_found_shapes(Session& session);

// NumPy's type string of a tensor's type; "" where .npy has none.
std::string npy_type(tn_data_type type);

}  // namespace tenon::cli
