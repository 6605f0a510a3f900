#include "cli/session.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstring>
#include <random>

namespace tenon::cli {
namespace {

struct NpyType {
  tn_data_type type;
  const char* descr;
};
constexpr NpyType kNpyTypes[] = {
    {TN_DATA_TYPE_FLOAT32, "<f4"},  {TN_DATA_TYPE_FLOAT64, "<f8"}, {TN_DATA_TYPE_FLOAT16, "<f2"},
    {TN_DATA_TYPE_INT8, "|i1"},     {TN_DATA_TYPE_INT16, "<i2"},   {TN_DATA_TYPE_INT32, "<i4"},
    {TN_DATA_TYPE_INT64, "<i8"},    {TN_DATA_TYPE_UINT8, "|u1"},   {TN_DATA_TYPE_UINT16, "<u2"},
    {TN_DATA_TYPE_UINT32, "<u4"},   {TN_DATA_TYPE_UINT64, "<u8"},  {TN_DATA_TYPE_BOOL, "|b1"},
    {TN_DATA_TYPE_BFLOAT16, "|V2"},
};

using Files = std::map<std::string, Array>;

Expected<Files> read_inputs(const std::vector<std::string>& arguments) {
  Files files;
  for (const std::string& argument : arguments) {
    const size_t equals = argument.rfind('=');
    if (equals == std::string::npos || equals == 0)
      return fail(kExitUsage, "--input \"{}\" is not NAME=FILE.npy", argument);
    CLI_ASSIGN(array, read_npy(argument.substr(equals + 1)));
    if (!files.emplace(argument.substr(0, equals), std::move(array)).second)
      return fail(kExitUsage, "--input: \"{}\" is given twice", argument.substr(0, equals));
  }
  return files;
}

// IEEE half of a float in [-1, 1] (round to nearest is not needed for random data: the low bits are dropped).
uint16_t half_bits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  const int exponent = static_cast<int>((bits >> 23) & 0xff) - 127 + 15;
  const uint32_t sign = (bits >> 16) & 0x8000;
  if (exponent <= 0) return static_cast<uint16_t>(sign);
  return static_cast<uint16_t>(sign | static_cast<uint32_t>(exponent) << 10 | ((bits >> 13) & 0x3ff));
}

// The same values on every machine: the generator's raw bits, no library distribution.
void fill_random(Array& array, tn_data_type type, uint64_t seed) {
  std::mt19937_64 generator(seed);
  const auto number = [&] { return static_cast<double>(generator() >> 11) * 0x1p-52 - 1.0; };  // [-1, 1)
  const size_t item = npy_item_size(array.descr);
  const size_t count = array.bytes.size() / item;
  for (size_t i = 0; i < count; ++i) {
    unsigned char* at = array.bytes.data() + i * item;
    if (type == TN_DATA_TYPE_FLOAT32) {
      const float value = static_cast<float>(number());
      std::memcpy(at, &value, 4);
    } else if (type == TN_DATA_TYPE_FLOAT64) {
      const double value = number();
      std::memcpy(at, &value, 8);
    } else if (type == TN_DATA_TYPE_FLOAT16) {
      const uint16_t value = half_bits(static_cast<float>(number()));
      std::memcpy(at, &value, 2);
    } else if (type == TN_DATA_TYPE_BFLOAT16) {
      const float value = static_cast<float>(number());
      std::memcpy(at, reinterpret_cast<const char*>(&value) + 2, 2);
    } else {
      const uint64_t value = generator() >> 63;
      std::memcpy(at, &value, item);
    }
  }
}

// Elements of a tensor of strings: views of words that stay.
void fill_words(Array& array, uint64_t seed) {
  static constexpr std::string_view kWords[] = {"", "a", "tenon", "mortise", "two words", "Straße", "日本", "3.14"};
  std::mt19937_64 generator(seed);
  array.bytes.resize(static_cast<size_t>(array.count()) * sizeof(tn_string));
  for (size_t i = 0; i < array.bytes.size(); i += sizeof(tn_string)) {
    const std::string_view word = kWords[generator() % std::size(kWords)];
    const tn_string view{word.data(), word.size()};
    std::memcpy(array.bytes.data() + i, &view, sizeof view);
  }
}

// Dims of a plan's inputs that are left at 1 move into the profile's range.
Expected<void> clamp_to_profile(const Loaded& loaded, const Shapes& given, Shapes& shapes) {
  for (auto& [name, dims] : shapes) {
    if (given.count(name)) continue;
    const std::string& input = name;
    const auto range = [&](tn_shape_selector selector) {
      return dims_of([&](auto... out) {
        return tn_engine_get_profile_shape(loaded.engine.get(), 0, input.c_str(), selector, out...);
      });
    };
    CLI_ASSIGN(low, range(TN_SHAPE_SELECTOR_MIN));
    CLI_ASSIGN(high, range(TN_SHAPE_SELECTOR_MAX));
    for (size_t i = 0; i < dims.size() && i < low.size() && i < high.size(); ++i)
      dims[i] = std::clamp(dims[i], low[i], high[i]);
  }
  return {};
}

// The first profile that takes the shapes: the context is left with it and with the shapes set.
Expected<Context> make_context(const Loaded& loaded, const Shapes& shapes) {
  int32_t profiles = 0;
  CLI_TRY(check(tn_engine_get_profile_count(loaded.engine.get(), &profiles)));
  Failure first;
  for (int32_t profile = 0; profile < profiles; ++profile) {
    Context context;
    CLI_TRY(check(tn_execution_context_create(loaded.engine.get(), profile, context.out())));
    Expected<void> set;
    for (const auto& [name, dims] : shapes)
      if (set)
        set = check(
            tn_execution_context_set_input_shape(context.get(), name.c_str(), dims.data(), dims.size()));
    if (set) return context;
    if (profile == 0) first = set.error();
  }
  return tl::unexpected<Failure>(std::move(first));
}

Expected<void> bind_inputs(Session& session, Files& files, const Shapes& shapes, uint64_t seed) {
  for (const Io& io : session.loaded.ios) {
    if (!io.is_input) continue;
    BoundTensor tensor{io.name, io.type, {}};
    const std::string descr = npy_type(io.type);
    const auto file = files.find(io.name);
    if (io.type == TN_DATA_TYPE_STRING && file != files.end())
      return fail(kExitInput, "input {} is of strings, which .npy files do not hold here: leave it out, and words are made up", io.name);
    if (io.type == TN_DATA_TYPE_STRING) {
      tensor.array.shape = shapes.at(io.name);
      fill_words(tensor.array, seed + session.inputs.size());
    } else if (file != files.end()) {
      tensor.array = std::move(file->second);
      std::string got = tensor.array.descr;
      if (npy_item_size(got) == 1) got[0] = '|';
      if (got.substr(1) == "V2") got[0] = '|';
      if (got != descr)
        return fail(kExitInput, "input {} is {}, its file holds {}; convert it first", io.name,
                    tn_data_type_get_name(io.type), tensor.array.descr);
    } else {
      if (descr.empty())
        return fail(kExitInput, "input {} is {}, for which there is no random data", io.name,
                    tn_data_type_get_name(io.type));
      tensor.array.descr = descr;
      tensor.array.shape = shapes.at(io.name);
      tensor.array.bytes.resize(static_cast<size_t>(tensor.array.count()) * npy_item_size(descr));
      fill_random(tensor.array, io.type, seed + session.inputs.size());
    }
    session.inputs.push_back(std::move(tensor));
  }
  return {};
}

Expected<void> set_buffer(Session& session, BoundTensor& tensor) {
  return check(tn_execution_context_set_buffer(session.context.get(), tensor.name.c_str(),
                                               tensor.array.bytes.empty() ? nullptr : tensor.array.bytes.data(),
                                               tensor.array.bytes.size()));
}

// Memory for an output; whether its dims are all known.
Expected<bool> allocate_output(Session& session, BoundTensor& tensor) {
  CLI_ASSIGN(dims, dims_of([&](auto... out) {
               return tn_execution_context_get_shape(session.context.get(), tensor.name.c_str(), out...);
             }));
  const bool is_known = std::none_of(dims.begin(), dims.end(), [](int64_t dim) { return dim < 0; });
  for (int64_t& dim : dims) dim = std::max<int64_t>(dim, 0);
  tensor.array.shape = std::move(dims);
  tensor.array.bytes.resize(static_cast<size_t>(tensor.array.count()) * tn_data_type_get_size(tensor.type));
  return is_known;
}

Expected<void> bind_buffers(Session& session) {
  bool all_known = true;
  for (const Io& io : session.loaded.ios) {
    if (io.is_input) continue;
    BoundTensor tensor{io.name, io.type, {}};
    CLI_ASSIGN(is_known, allocate_output(session, tensor));
    all_known = all_known && is_known;
    tensor.array.descr = npy_type(io.type);
    session.outputs.push_back(std::move(tensor));
  }
  for (auto* side : {&session.inputs, &session.outputs})
    for (BoundTensor& tensor : *side) CLI_TRY(set_buffer(session, tensor));
  if (all_known) return {};
  // The run, which fails for want of memory, finds how large outputs without a bound are.
  const Expected<void> first = check(tn_execution_context_run(session.context.get()));
  for (BoundTensor& tensor : session.outputs) {
    CLI_ASSIGN(is_known, allocate_output(session, tensor));
    if (!is_known) return first;
    CLI_TRY(set_buffer(session, tensor));
  }
  return {};
}

}  // namespace

Expected<void> take_found_shapes(Session& session) {
  for (BoundTensor& tensor : session.outputs) {
    CLI_ASSIGN(dims, dims_of([&](auto... out) {
                 return tn_execution_context_get_shape(session.context.get(), tensor.name.c_str(), out...);
               }));
    tensor.array.shape = std::move(dims);
    tensor.array.bytes.resize(static_cast<size_t>(tensor.array.count()) * tn_data_type_get_size(tensor.type));
  }
  return {};
}

void add_input_options(CLI::App& app, InputOptions& options) {
  app.add_option("--input", options.files, "NAME=FILE.npy: an input's values; repeat for more")
      ->allow_extra_args(false);
  app.add_option("--shapes", options.shapes, "dims of inputs: NAME:1x3x224x224,…");
  app.add_option("--seed", options.seed, "of random inputs")->capture_default_str();
}

std::string npy_type(tn_data_type type) {
  for (const NpyType& known : kNpyTypes)
    if (known.type == type) return known.descr;
  return "";
}

Expected<Session> open_session(const std::string& path, const Common& common, const InputOptions& options) {
  CLI_ASSIGN(files, read_inputs(options.files));
  CLI_ASSIGN(typed, parse_shapes("--shapes", options.shapes));
  Shapes from_files;
  for (const auto& [name, array] : files) from_files.emplace(name, array.shape);
  Shapes given = from_files;
  given.insert(typed.begin(), typed.end());  // where both have a name, the file holds

  const auto resolve = [&](const std::vector<Io>& ios,
                           std::vector<std::string>& assumed) -> Expected<Shapes> {
    CLI_TRY(check_input_names(ios, from_files, "--input"));
    CLI_TRY(check_input_names(ios, typed, "--shapes"));
    return complete_shapes(ios, given, assumed);
  };

  Session session;
  Shapes shapes;
  CLI_ASSIGN(onnx, is_onnx(path));
  if (onnx) {
    CLI_ASSIGN(model, open_model(path, common));
    std::vector<std::string> assumed;
    CLI_ASSIGN(resolved, resolve(model.ios, assumed));
    shapes = std::move(resolved);
    warn_assumed(assumed);
    CLI_ASSIGN(built, build(model, common, Ranges{shapes, shapes, shapes}));
    session.build_seconds = built.seconds;
    CLI_ASSIGN(plan, bytes_of(built.plan));
    session.plan_bytes = plan.size();
    CLI_ASSIGN(loaded, load(plan, common));
    session.loaded = std::move(loaded);
  } else {
    Blob blob;
    CLI_TRY(check(tn_blob_create_from_file(path.c_str(), blob.out())));
    CLI_ASSIGN(plan, bytes_of(blob));
    session.plan_bytes = plan.size();
    CLI_ASSIGN(loaded, load(plan, common));
    session.loaded = std::move(loaded);
    std::vector<std::string> assumed;
    CLI_ASSIGN(resolved, resolve(session.loaded.ios, assumed));
    shapes = std::move(resolved);
    CLI_TRY(clamp_to_profile(session.loaded, given, shapes));
  }
  CLI_ASSIGN(context, make_context(session.loaded, shapes));
  session.context = std::move(context);
  CLI_TRY(bind_inputs(session, files, shapes, options.seed));
  CLI_TRY(bind_buffers(session));
  return session;
}

}  // namespace tenon::cli
