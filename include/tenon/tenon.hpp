/**
 * @file tenon.hpp
 * Tenon in C++17: owners over the C functions of tenon.h, and nothing else. Header-only.
 *
 * ```cpp
 * tenon::Builder builder;
 * tenon::Network network = tenon::Network::from_onnx_file(builder, "model.onnx");
 * tenon::Blob plan = builder.build(network, tenon::BuilderConfig());
 * tenon::Engine engine(tenon::Runtime(), plan);
 * tenon::ExecutionContext context(engine);
 * std::vector<float> x(16);
 * tenon::Outputs outputs = context.run({{"x", tenon::TensorView({1, 1, 4, 4}, x)}});
 * tenon::Span<const float> y = outputs["y"].as<float>();
 * ```
 *
 * For many runs with the same memory, `set_input`, `set_output` and `run()` copy and allocate nothing.
 *
 * Every object owns one handle and can be moved, not copied; what an object needs stays alive with it, so
 * they may go in any order. A moved-from object holds nothing and may only be destroyed or assigned to.
 * Failures throw `tenon::Error`. An exception that a callback throws ends the operation that called it and
 * comes out of it as itself. Thread rules are those of the C headers.
 */
#ifndef TENON_TENON_HPP
#define TENON_TENON_HPP

#include <cstdint>
#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "tenon/tenon.h"

namespace tenon {
// The version is part of the names, so that these never meet those inside a statically linked library.
inline namespace api_0_1 {

enum class ErrorCode : std::int32_t {
  invalid_argument = TN_ERROR_INVALID_ARGUMENT,
  invalid_handle = TN_ERROR_INVALID_HANDLE,
  out_of_memory = TN_ERROR_OUT_OF_MEMORY,
  invalid_model = TN_ERROR_INVALID_MODEL,
  unsupported = TN_ERROR_UNSUPPORTED,
  invalid_plan = TN_ERROR_INVALID_PLAN,
  incompatible_plan = TN_ERROR_INCOMPATIBLE_PLAN,
  out_of_range = TN_ERROR_OUT_OF_RANGE,
  busy = TN_ERROR_BUSY,
  not_found = TN_ERROR_NOT_FOUND,
  io = TN_ERROR_IO,
  cancelled = TN_ERROR_CANCELLED,
  limit_exceeded = TN_ERROR_LIMIT_EXCEEDED,
  device = TN_ERROR_DEVICE,
  internal = TN_ERROR_INTERNAL,
  callback = TN_ERROR_CALLBACK
};

enum class DataType : std::int32_t {
  none = TN_DATA_TYPE_NONE,
  float32 = TN_DATA_TYPE_FLOAT32,
  uint8 = TN_DATA_TYPE_UINT8,
  int8 = TN_DATA_TYPE_INT8,
  uint16 = TN_DATA_TYPE_UINT16,
  int16 = TN_DATA_TYPE_INT16,
  int32 = TN_DATA_TYPE_INT32,
  int64 = TN_DATA_TYPE_INT64,
  string = TN_DATA_TYPE_STRING,
  boolean = TN_DATA_TYPE_BOOL,
  float16 = TN_DATA_TYPE_FLOAT16,
  float64 = TN_DATA_TYPE_FLOAT64,
  uint32 = TN_DATA_TYPE_UINT32,
  uint64 = TN_DATA_TYPE_UINT64,
  bfloat16 = TN_DATA_TYPE_BFLOAT16,
  float8_e4m3fn = TN_DATA_TYPE_FLOAT8_E4M3FN,
  float8_e4m3fnuz = TN_DATA_TYPE_FLOAT8_E4M3FNUZ,
  float8_e5m2 = TN_DATA_TYPE_FLOAT8_E5M2,
  float8_e5m2fnuz = TN_DATA_TYPE_FLOAT8_E5M2FNUZ,
  uint4 = TN_DATA_TYPE_UINT4,
  int4 = TN_DATA_TYPE_INT4,
  float4_e2m1 = TN_DATA_TYPE_FLOAT4_E2M1,
  float8_e8m0 = TN_DATA_TYPE_FLOAT8_E8M0,
  uint2 = TN_DATA_TYPE_UINT2,
  int2 = TN_DATA_TYPE_INT2
};

enum class TensorFormat : std::int32_t {
  linear = TN_TENSOR_FORMAT_LINEAR,
  channels_last = TN_TENSOR_FORMAT_CHANNELS_LAST
};
enum class IoMode : std::int32_t { input = TN_IO_MODE_INPUT, output = TN_IO_MODE_OUTPUT };
enum class TensorLocation : std::int32_t {
  host = TN_TENSOR_LOCATION_HOST,
  device = TN_TENSOR_LOCATION_DEVICE
};
enum class ShapeSelector : std::int32_t {
  min = TN_SHAPE_SELECTOR_MIN,
  opt = TN_SHAPE_SELECTOR_OPT,
  max = TN_SHAPE_SELECTOR_MAX
};
enum class DocumentFormat : std::int32_t { text = TN_DOCUMENT_FORMAT_TEXT, json = TN_DOCUMENT_FORMAT_JSON };
enum class Limit : std::int32_t {
  model_bytes = TN_LIMIT_MODEL_BYTES,
  tensor_elements = TN_LIMIT_TENSOR_ELEMENTS,
  tensor_bytes = TN_LIMIT_TENSOR_BYTES,
  nodes = TN_LIMIT_NODES,
  nesting = TN_LIMIT_NESTING,
  name_bytes = TN_LIMIT_NAME_BYTES,
  plan_bytes = TN_LIMIT_PLAN_BYTES,
  fold_bytes = TN_LIMIT_FOLD_BYTES,
  model_records = TN_LIMIT_MODEL_RECORDS,
  arena_bytes = TN_LIMIT_ARENA_BYTES
};
enum class Severity : std::int32_t {
  error = TN_SEVERITY_ERROR,
  warning = TN_SEVERITY_WARNING,
  info = TN_SEVERITY_INFO,
  verbose = TN_SEVERITY_VERBOSE
};
enum class Precision : std::int32_t {
  tf32 = TN_PRECISION_TF32,
  fp16 = TN_PRECISION_FP16,
  bf16 = TN_PRECISION_BF16
};
enum class DeviceType : std::int32_t { cpu = TN_DEVICE_TYPE_CPU, cuda = TN_DEVICE_TYPE_CUDA };

using Dims = std::vector<std::int64_t>;

/** Version of the library that is loaded, as `TN_VERSION`. */
inline std::uint32_t version() noexcept { return tn_version(); }
inline std::uint32_t abi_version() noexcept { return tn_abi_version(); }
inline std::string build_info() { return tn_build_info(); }
/** "f32". */
inline std::string name_of(DataType type) { return tn_data_type_get_name(static_cast<tn_data_type>(type)); }
/** "INVALID_ARGUMENT". */
inline std::string name_of(ErrorCode code) {
  return tn_error_code_get_name(static_cast<tn_error_code>(code));
}
/** Bytes of one element. */
inline std::size_t size_of(DataType type) noexcept {
  return tn_data_type_get_size(static_cast<tn_data_type>(type));
}

/** What a function of the library failed with. */
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const noexcept { return code_; }
  /** What was wrong and what to do: the first line of what(). The others say what the library was doing. */
  std::string_view message() const noexcept {
    std::string_view whole(what());
    return whole.substr(0, whole.find('\n'));
  }

 private:
  ErrorCode code_;
};

/** The bits of a 16-bit float of IEEE 754. */
struct Float16 {
  std::uint16_t bits;
};
/** The upper 16 bits of a float. */
struct BFloat16 {
  std::uint16_t bits;
};

/** The library's number of a C++ type of elements; other types do not compile. */
template <class T>
struct DataTypeOf;
// clang-format off
template <> struct DataTypeOf<float> { static constexpr DataType value = DataType::float32; };
template <> struct DataTypeOf<double> { static constexpr DataType value = DataType::float64; };
template <> struct DataTypeOf<std::int8_t> { static constexpr DataType value = DataType::int8; };
template <> struct DataTypeOf<std::int16_t> { static constexpr DataType value = DataType::int16; };
template <> struct DataTypeOf<std::int32_t> { static constexpr DataType value = DataType::int32; };
template <> struct DataTypeOf<std::int64_t> { static constexpr DataType value = DataType::int64; };
template <> struct DataTypeOf<std::uint8_t> { static constexpr DataType value = DataType::uint8; };
template <> struct DataTypeOf<std::uint16_t> { static constexpr DataType value = DataType::uint16; };
template <> struct DataTypeOf<std::uint32_t> { static constexpr DataType value = DataType::uint32; };
template <> struct DataTypeOf<std::uint64_t> { static constexpr DataType value = DataType::uint64; };
template <> struct DataTypeOf<bool> { static constexpr DataType value = DataType::boolean; };
template <> struct DataTypeOf<Float16> { static constexpr DataType value = DataType::float16; };
template <> struct DataTypeOf<BFloat16> { static constexpr DataType value = DataType::bfloat16; };
// clang-format on
static_assert(sizeof(bool) == 1, "a boolean element is one byte");

/** Elements that belong to someone else: what C++20 calls std::span. */
template <class T>
class Span {
 public:
  constexpr Span() noexcept = default;
  constexpr Span(T* data, std::size_t size) noexcept : data_(data), size_(size) {}
  /** Anything with data() and size(): a vector, an array, a std::span. */
  template <class Container, class = std::enable_if_t<std::is_convertible_v<
                                 decltype(std::declval<Container&>().data()), T*>>>
  constexpr Span(Container&& container) noexcept : data_(container.data()), size_(container.size()) {}
  template <std::size_t Size>
  constexpr Span(T (&array)[Size]) noexcept : data_(array), size_(Size) {}
  constexpr T* data() const noexcept { return data_; }
  constexpr std::size_t size() const noexcept { return size_; }
  constexpr std::size_t size_bytes() const noexcept { return size_ * sizeof(T); }
  constexpr T& operator[](std::size_t index) const noexcept { return data_[index]; }
  constexpr T* begin() const noexcept { return data_; }
  constexpr T* end() const noexcept { return data_ + size_; }

 private:
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

namespace detail {

// Elements of a shape. Throws for what is none.
inline std::size_t count_of(const Dims& dims) {
  std::size_t count = 1;
  for (std::int64_t dim : dims) {
    if (dim < 0 || (dim > 0 && count > SIZE_MAX / static_cast<std::size_t>(dim)))
      throw Error(ErrorCode::invalid_argument, "a shape has a dim that is negative, or too many elements");
    count *= static_cast<std::size_t>(dim);
  }
  return count;
}

}  // namespace detail

/** Elements of a type and a shape, in row-major order, that belong to someone else: what a network is given. */
class TensorView {
 public:
  /** Throws unless there are as many elements as the shape says. */
  template <class Container>
  TensorView(Dims dims, const Container& elements) : dims_(std::move(dims)) {
    using T = std::remove_cv_t<std::remove_pointer_t<decltype(elements.data())>>;
    type_ = DataTypeOf<T>::value;
    data_ = elements.data();
    size_ = elements.size() * sizeof(T);
    if (detail::count_of(dims_) != elements.size())
      throw Error(ErrorCode::invalid_argument, "a tensor's shape has " + std::to_string(detail::count_of(dims_)) +
                                                   " elements, " + std::to_string(elements.size()) + " were given");
  }
  /** Bytes whose meaning only the program knows. */
  TensorView(DataType type, Dims dims, const void* data, std::size_t size)
      : type_(type), dims_(std::move(dims)), data_(data), size_(size) {}
  DataType data_type() const noexcept { return type_; }
  const Dims& dims() const noexcept { return dims_; }
  const void* data() const noexcept { return data_; }
  /** In bytes. */
  std::size_t size() const noexcept { return size_; }

 private:
  DataType type_ = DataType::none;
  Dims dims_;
  const void* data_ = nullptr;
  std::size_t size_ = 0;
};

/** A tensor with its own elements, whose type is known only when the program runs: what a network gives. */
class Tensor {
 public:
  /** Zeros. */
  Tensor(DataType type, Dims dims) : type_(type), dims_(std::move(dims)), count_(detail::count_of(dims_)) {
    if (type == DataType::string)
      throw Error(ErrorCode::unsupported, "string tensors are not supported in this layer: set_buffer() takes an array of tn_string");
    if (size_of(type) == 0 || count_ > SIZE_MAX / 16 / size_of(type))
      throw Error(ErrorCode::invalid_argument, "a tensor of type " + name_of(type) + " has no size");
    blocks_.resize((size() + sizeof(Block) - 1) / sizeof(Block));
  }
  DataType data_type() const noexcept { return type_; }
  const Dims& dims() const noexcept { return dims_; }
  void* data() noexcept { return blocks_.data(); }
  const void* data() const noexcept { return blocks_.data(); }
  /** In bytes. */
  std::size_t size() const noexcept { return count_ * size_of(type_); }
  /** The elements. Throws unless T is their type. */
  template <class T>
  Span<const T> as() const {
    expect(DataTypeOf<T>::value);
    return {reinterpret_cast<const T*>(blocks_.data()), count_};
  }
  template <class T>
  Span<T> as() {
    expect(DataTypeOf<T>::value);
    return {reinterpret_cast<T*>(blocks_.data()), count_};
  }
  operator TensorView() const { return TensorView(type_, dims_, data(), size()); }

 private:
  struct alignas(16) Block {
    unsigned char bytes[16];
  };
  void expect(DataType type) const {
    if (type != type_)
      throw Error(ErrorCode::invalid_argument, "the elements are " + name_of(type_) + ", not " + name_of(type));
  }
  DataType type_;
  Dims dims_;
  std::size_t count_;
  std::vector<Block> blocks_;
};

/** What a run gave, by name, in the network's order. */
class Outputs {
 public:
  /** Throws not_found. */
  const Tensor& operator[](std::string_view name) const {
    for (const auto& [own, tensor] : all_)
      if (own == name) return tensor;
    throw Error(ErrorCode::not_found, "there is no output " + std::string(name));
  }
  std::size_t size() const noexcept { return all_.size(); }
  auto begin() const noexcept { return all_.begin(); }
  auto end() const noexcept { return all_.end(); }

 private:
  friend class ExecutionContext;
  std::vector<std::pair<std::string, Tensor>> all_;
};

namespace detail {

// Exceptions of callbacks that are on their way through the library, so that check() knows a payload that is
// one.
struct Exceptions {
  std::mutex mutex;
  std::set<const void*> known;
  static Exceptions& instance() {
    static Exceptions* const all = new Exceptions;  // lives for ever: errors may outlive every static object
    return *all;
  }
};

inline void release_exception(void* payload) {
  {
    Exceptions& all = Exceptions::instance();
    std::lock_guard<std::mutex> lock(all.mutex);
    all.known.erase(payload);
  }
  delete static_cast<std::exception_ptr*>(payload);
}

// The exception that is being handled, as an error for a callback to return.
inline tn_error_t error_of_exception() noexcept {
  tn_error_code code = TN_ERROR_CALLBACK;
  const char* message = "a callback threw an exception";
  std::string text;
  try {
    try {
      throw;
    } catch (const Error& error) {
      code = static_cast<tn_error_code>(error.code());
      text = error.what();
    } catch (const std::exception& error) {
      text = error.what();
    } catch (...) {
    }
    if (!text.empty()) message = text.c_str();
    auto exception = std::make_unique<std::exception_ptr>(std::current_exception());
    {
      Exceptions& all = Exceptions::instance();
      std::lock_guard<std::mutex> lock(all.mutex);
      all.known.insert(exception.get());
    }
    return tn_error_create(code, message, exception.release(), release_exception);
  } catch (...) {
    return tn_error_create(code, message, nullptr, nullptr);
  }
}

// Text of a getter that fills a buffer: get(buf, buf_size, out_size).
template <class Get>
std::string text_of(Get&& get) {
  std::size_t size = 0;
  get(nullptr, std::size_t{0}, &size);
  std::string text(size + 1, '\0');
  get(&text[0], text.size(), &size);
  text.resize(size < text.size() ? size : text.size() - 1);
  return text;
}

// Rethrows the exception of a callback that the error carries, else throws Error.
[[noreturn]] inline void raise(tn_error_t error) {
  std::unique_ptr<tn_error, decltype(&tn_error_destroy)> owner(error, tn_error_destroy);
  void* payload = tn_error_get_payload(error);
  std::exception_ptr exception;
  if (payload) {
    Exceptions& all = Exceptions::instance();
    std::lock_guard<std::mutex> lock(all.mutex);
    if (all.known.count(payload)) exception = *static_cast<std::exception_ptr*>(payload);
  }
  if (exception) std::rethrow_exception(exception);
  throw Error(static_cast<ErrorCode>(tn_error_get_code(error)),
              text_of([&](char* buf, std::size_t size, std::size_t* out) {
                tn_error_get_message(error, buf, size, out);
              }));
}

}  // namespace detail

/** Throws what a C function returned, unless it succeeded. */
inline void check(tn_error_t error) {
  if (error) detail::raise(error);
}

namespace detail {

template <class Handle, void (*Destroy)(Handle)>
class Owner {
 public:
  Owner() noexcept = default;
  explicit Owner(Handle handle) noexcept : handle_(handle) {}
  Owner(Owner&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Owner& operator=(Owner&& other) noexcept {
    if (this != &other) {
      Destroy(handle_);
      handle_ = std::exchange(other.handle_, nullptr);
    }
    return *this;
  }
  ~Owner() { Destroy(handle_); }

  /** Whether it holds anything. */
  explicit operator bool() const noexcept { return handle_ != nullptr; }
  /** The handle, still owned by this object: for the C functions. */
  Handle get() const noexcept { return handle_; }
  /** Gives the handle away. */
  Handle release() noexcept { return std::exchange(handle_, nullptr); }

 protected:
  Handle handle_ = nullptr;
};

template <class T, class Get>
T value_of(Get&& get) {
  T value{};
  check(get(&value));
  return value;
}

template <class Get>
std::string checked_text_of(Get&& get) {
  return text_of([&](char* buf, std::size_t size, std::size_t* out) { check(get(buf, size, out)); });
}

template <class Get>
Dims dims_of(Get&& get) {
  std::int64_t dims[TN_MAX_RANK];
  std::size_t size = 0;
  check(get(dims, std::size_t{TN_MAX_RANK}, &size));
  return Dims(dims, dims + size);
}

template <class Function>
void release_function(void* function) {
  delete static_cast<Function*>(function);
}

}  // namespace detail

/** Immutable bytes: plans, caches, documents, models. */
class Blob : public detail::Owner<tn_blob_t, tn_blob_destroy> {
 public:
  using Owner::Owner;
  /** Copies. */
  static Blob copy(const void* data, std::size_t size) {
    return Blob(detail::value_of<tn_blob_t>([&](tn_blob_t* out) { return tn_blob_create(data, size, out); }));
  }
  /** Keeps the vector. */
  static Blob take(std::vector<unsigned char> bytes) {
    using Bytes = std::vector<unsigned char>;
    auto* kept = new Bytes(std::move(bytes));  // from here on the library's
    return Blob(detail::value_of<tn_blob_t>([&](tn_blob_t* out) {
      return tn_blob_create_take(kept->data(), kept->size(), kept, detail::release_function<Bytes>, out);
    }));
  }
  static Blob from_file(const std::string& path) {
    return Blob(detail::value_of<tn_blob_t>(
        [&](tn_blob_t* out) { return tn_blob_create_from_file(path.c_str(), out); }));
  }
  /** A second owner of the same bytes. */
  Blob share() const {
    return Blob(
        detail::value_of<tn_blob_t>([&](tn_blob_t* out) { return tn_blob_create_shared(handle_, out); }));
  }
  void save(const std::string& path) const { check(tn_blob_save(handle_, path.c_str())); }
  /** The bytes stay where they are as long as this object. */
  const void* data() const { return view().first; }
  std::size_t size() const { return view().second; }
  std::string_view text() const {
    auto [data, size] = view();
    return {static_cast<const char*>(data), size};
  }

 private:
  std::pair<const void*, std::size_t> view() const {
    const void* data = nullptr;
    std::size_t size = 0;
    check(tn_blob_get_data(handle_, &data, &size));
    return {data, size};
  }
};

/** Where messages go. */
class Logger : public detail::Owner<tn_logger_t, tn_logger_destroy> {
 public:
  using Owner::Owner;
  using Function = std::function<void(Severity, std::string_view)>;
  /** What `function` throws is swallowed: a message is not worth an operation. */
  explicit Logger(Function function, Severity max_severity = Severity::info) {
    tn_logger_callbacks callbacks;
    tn_logger_callbacks_init(&callbacks, sizeof callbacks);
    callbacks.log = [](void* user_data, tn_severity severity, const char* message, std::size_t size) {
      try {
        (*static_cast<Function*>(user_data))(static_cast<Severity>(severity),
                                             std::string_view(message, size));
      } catch (...) {
      }
    };
    callbacks.release = detail::release_function<Function>;
    callbacks.user_data = new Function(std::move(function));
    check(tn_logger_create(&callbacks, static_cast<tn_severity>(max_severity), &handle_));
  }
};

/** Where the memory of engines comes from. */
class Allocator : public detail::Owner<tn_allocator_t, tn_allocator_destroy> {
 public:
  using Owner::Owner;
  /** Gives memory of a size at an alignment, or nullptr, or throws. */
  using Allocate = std::function<void*(std::size_t size, std::size_t alignment)>;
  /** Takes memory back; must not throw. */
  using Deallocate = std::function<void(void* memory, std::size_t size, std::size_t alignment)>;
  Allocator(Allocate allocate, Deallocate deallocate) {
    struct Functions {
      Allocate allocate;
      Deallocate deallocate;
    };
    tn_allocator_callbacks callbacks;
    tn_allocator_callbacks_init(&callbacks, sizeof callbacks);
    callbacks.allocate = [](void* user_data, std::size_t size, std::size_t alignment,
                            void** out) -> tn_error_t {
      try {
        *out = static_cast<Functions*>(user_data)->allocate(size, alignment);
        return nullptr;
      } catch (...) {
        return detail::error_of_exception();
      }
    };
    callbacks.deallocate = [](void* user_data, void* memory, std::size_t size, std::size_t alignment) {
      static_cast<Functions*>(user_data)->deallocate(memory, size, alignment);
    };
    callbacks.release = detail::release_function<Functions>;
    callbacks.user_data = new Functions{std::move(allocate), std::move(deallocate)};
    check(tn_allocator_create(&callbacks, &handle_));
  }
};

/** What plans are built for. */
class Device : public detail::Owner<tn_device_t, tn_device_destroy> {
 public:
  using Owner::Owner;
  explicit Device(const std::string& name) { check(tn_device_create(name.c_str(), &handle_)); }
  /** Names of the devices that can be used. */
  static std::vector<std::string> names() {
    std::vector<std::string> out;
    for (std::size_t i = 0; i < tn_device_count(); ++i)
      out.push_back(detail::checked_text_of([&](char* buf, std::size_t size, std::size_t* length) {
        return tn_device_at(i, buf, size, length);
      }));
    return out;
  }
  DeviceType type() const {
    return static_cast<DeviceType>(detail::value_of<tn_device_type>(
        [&](tn_device_type* out) { return tn_device_get_type(handle_, out); }));
  }
  std::string name() const {
    return detail::checked_text_of([&](char* buf, std::size_t size, std::size_t* out) {
      return tn_device_get_name(handle_, buf, size, out);
    });
  }
  std::string features() const {
    return detail::checked_text_of([&](char* buf, std::size_t size, std::size_t* out) {
      return tn_device_get_features(handle_, buf, size, out);
    });
  }
  std::int32_t thread_count() const {
    return detail::value_of<std::int32_t>(
        [&](std::int32_t* out) { return tn_device_get_thread_count(handle_, out); });
  }
};

/** What builds have measured. */
class TimingCache : public detail::Owner<tn_timing_cache_t, tn_timing_cache_destroy> {
 public:
  TimingCache() { check(tn_timing_cache_create(&handle_)); }
  explicit TimingCache(tn_timing_cache_t handle) noexcept : Owner(handle) {}
  void load(const void* data, std::size_t size) { check(tn_timing_cache_load(handle_, data, size)); }
  void load(const Blob& blob) { load(blob.data(), blob.size()); }
  void merge(const TimingCache& other) { check(tn_timing_cache_merge(handle_, other.get())); }
  Blob serialize() const {
    return Blob(
        detail::value_of<tn_blob_t>([&](tn_blob_t* out) { return tn_timing_cache_serialize(handle_, out); }));
  }
  std::size_t size() const {
    return detail::value_of<std::size_t>(
        [&](std::size_t* out) { return tn_timing_cache_get_count(handle_, out); });
  }
};

/** For which input shapes a plan is made. */
class OptimizationProfile : public detail::Owner<tn_optimization_profile_t, tn_optimization_profile_destroy> {
 public:
  OptimizationProfile() { check(tn_optimization_profile_create(&handle_)); }
  explicit OptimizationProfile(tn_optimization_profile_t handle) noexcept : Owner(handle) {}
  void set_shape(const std::string& input, ShapeSelector selector, const Dims& dims) {
    check(tn_optimization_profile_set_shape(handle_, input.c_str(), static_cast<tn_shape_selector>(selector),
                                            dims.data(), dims.size()));
  }
  void set_shape(const std::string& input, const Dims& min, const Dims& opt, const Dims& max) {
    set_shape(input, ShapeSelector::min, min);
    set_shape(input, ShapeSelector::opt, opt);
    set_shape(input, ShapeSelector::max, max);
  }
  Dims shape(const std::string& input, ShapeSelector selector) const {
    return detail::dims_of([&](std::int64_t* dims, std::size_t size, std::size_t* out) {
      return tn_optimization_profile_get_shape(handle_, input.c_str(),
                                               static_cast<tn_shape_selector>(selector), dims, size, out);
    });
  }
};

/** How a plan is to be built. */
class BuilderConfig : public detail::Owner<tn_builder_config_t, tn_builder_config_destroy> {
 public:
  BuilderConfig() { check(tn_builder_config_create(&handle_)); }
  explicit BuilderConfig(tn_builder_config_t handle) noexcept : Owner(handle) {}
  void set_device(const Device& device) { check(tn_builder_config_set_device(handle_, device.get())); }
  void set_thread_count(std::int32_t count) { check(tn_builder_config_set_thread_count(handle_, count)); }
  std::int32_t thread_count() const {
    return detail::value_of<std::int32_t>(
        [&](std::int32_t* out) { return tn_builder_config_get_thread_count(handle_, out); });
  }
  /** Returns the profile's number in the plan. */
  std::int32_t add_profile(const OptimizationProfile& profile) {
    return detail::value_of<std::int32_t>(
        [&](std::int32_t* out) { return tn_builder_config_add_profile(handle_, profile.get(), out); });
  }
  std::int32_t profile_count() const {
    return detail::value_of<std::int32_t>(
        [&](std::int32_t* out) { return tn_builder_config_get_profile_count(handle_, out); });
  }
  void set_timing_cache(const TimingCache& cache) {
    check(tn_builder_config_set_timing_cache(handle_, cache.get()));
  }
  void set_optimization_level(int level) { check(tn_builder_config_set_optimization_level(handle_, level)); }
  int optimization_level() const {
    std::int32_t level = 0;
    check(tn_builder_config_get_optimization_level(handle_, &level));
    return level;
  }
  void set_deadline(double seconds) { check(tn_builder_config_set_deadline(handle_, seconds)); }
  double deadline() const {
    double seconds = 0;
    check(tn_builder_config_get_deadline(handle_, &seconds));
    return seconds;
  }
  void set_precision_allowed(Precision precision, bool allowed) {
    check(tn_builder_config_set_precision_allowed(handle_, static_cast<tn_precision>(precision), allowed ? 1 : 0));
  }
  bool precision_allowed(Precision precision) const {
    std::int32_t allowed = 0;
    check(tn_builder_config_get_precision_allowed(handle_, static_cast<tn_precision>(precision), &allowed));
    return allowed != 0;
  }
  void set_onednn_enabled(bool enabled) {
    check(tn_builder_config_set_onednn_enabled(handle_, enabled ? 1 : 0));
  }
  bool onednn_enabled() const {
    return detail::value_of<std::int32_t>(
               [&](std::int32_t* out) { return tn_builder_config_get_onednn_enabled(handle_, out); }) != 0;
  }
  void set_option(const std::string& key, const std::string& value) {
    check(tn_builder_config_set_option(handle_, key.c_str(), value.c_str()));
  }
  std::string option(const std::string& key) const {
    return detail::checked_text_of([&](char* buf, std::size_t size, std::size_t* out) {
      return tn_builder_config_get_option(handle_, key.c_str(), buf, size, out);
    });
  }
  /** Hears of a build's progress; false cancels it. An empty function: nobody. */
  using Progress = std::function<bool(std::string_view phase, double fraction)>;
  void set_progress(Progress progress) {
    if (!progress) return check(tn_builder_config_set_progress(handle_, nullptr));
    tn_progress_callbacks callbacks;
    tn_progress_callbacks_init(&callbacks, sizeof callbacks);
    callbacks.update = [](void* user_data, const char* phase, double fraction) -> tn_error_t {
      try {
        if ((*static_cast<Progress*>(user_data))(phase, fraction)) return nullptr;
      } catch (...) {
        return detail::error_of_exception();
      }
      return tn_error_create(TN_ERROR_CANCELLED, "the build was cancelled", nullptr, nullptr);
    };
    callbacks.release = detail::release_function<Progress>;
    callbacks.user_data = new Progress(std::move(progress));
    check(tn_builder_config_set_progress(handle_, &callbacks));
  }
};

class Network;
class OnnxModel;

/** Makes networks and plans. */
class Builder : public detail::Owner<tn_builder_t, tn_builder_destroy> {
 public:
  Builder() { check(tn_builder_create(&handle_)); }
  explicit Builder(tn_builder_t handle) noexcept : Owner(handle) {}
  /** A logger that holds nothing: nowhere. */
  void set_logger(const Logger& logger) { check(tn_builder_set_logger(handle_, logger.get())); }
  void set_limit(Limit limit, std::int64_t value) {
    check(tn_builder_set_limit(handle_, static_cast<tn_limit>(limit), value));
  }
  std::int64_t limit(Limit limit) const {
    return detail::value_of<std::int64_t>(
        [&](std::int64_t* out) { return tn_builder_get_limit(handle_, static_cast<tn_limit>(limit), out); });
  }
  /** The plan; `report` receives the build report if it is not null. */
  inline Blob build(const Network& network, const BuilderConfig& config, Blob* report = nullptr) const;
};

namespace detail {

// What networks and engines say of their inputs and outputs.
template <class Self>
struct Tensors {
  std::size_t tensor_count() const {
    return value_of<std::size_t>([&](std::size_t* out) { return Self::get_tensor_count(handle(), out); });
  }
  std::size_t find_tensor(const std::string& name) const {
    return value_of<std::size_t>(
        [&](std::size_t* out) { return Self::find_tensor_c(handle(), name.c_str(), out); });
  }
  std::string tensor_name(std::size_t index) const {
    return checked_text_of([&](char* buf, std::size_t size, std::size_t* out) {
      return Self::get_tensor_name(handle(), index, buf, size, out);
    });
  }
  IoMode tensor_mode(std::size_t index) const {
    return static_cast<IoMode>(
        value_of<tn_io_mode>([&](tn_io_mode* out) { return Self::get_tensor_mode(handle(), index, out); }));
  }
  DataType tensor_data_type(std::size_t index) const {
    return static_cast<DataType>(value_of<tn_data_type>(
        [&](tn_data_type* out) { return Self::get_tensor_data_type(handle(), index, out); }));
  }
  /** -1 for dims that depend on the shapes of the inputs. */
  Dims tensor_shape(std::size_t index) const {
    return dims_of([&](std::int64_t* dims, std::size_t size, std::size_t* out) {
      return Self::get_tensor_shape(handle(), index, dims, size, out);
    });
  }

 private:
  auto handle() const { return static_cast<const Self*>(this)->get(); }
};

}  // namespace detail

/** What a plan is built from. */
class Network : public detail::Owner<tn_network_t, tn_network_destroy>, public detail::Tensors<Network> {
 public:
  using Owner::Owner;
  static Network from_onnx_file(const Builder& builder, const std::string& path) {
    return Network(detail::value_of<tn_network_t>([&](tn_network_t* out) {
      return tn_network_create_from_onnx_file(builder.get(), path.c_str(), out);
    }));
  }
  /** Copies the bytes. */
  static Network from_onnx(const Builder& builder, const void* data, std::size_t size) {
    return Network(detail::value_of<tn_network_t>(
        [&](tn_network_t* out) { return tn_network_create_from_onnx(builder.get(), data, size, out); }));
  }
  /** Shares the blob's bytes. */
  static Network from_onnx(const Builder& builder, const Blob& blob) {
    return Network(detail::value_of<tn_network_t>(
        [&](tn_network_t* out) { return tn_network_create_from_onnx_blob(builder.get(), blob.get(), out); }));
  }
  /** With the weights that the model was given. */
  static inline Network from_onnx_model(const OnnxModel& model);
  std::string name() const {
    return detail::checked_text_of([&](char* buf, std::size_t size, std::size_t* out) {
      return tn_network_get_name(handle_, buf, size, out);
    });
  }
  /** Empty for dims that are not dynamic. */
  std::string tensor_dim_name(std::size_t index, std::size_t dim) const {
    return detail::checked_text_of([&](char* buf, std::size_t size, std::size_t* out) {
      return tn_network_get_tensor_dim_name(handle_, index, dim, buf, size, out);
    });
  }
  std::size_t node_count() const {
    return detail::value_of<std::size_t>(
        [&](std::size_t* out) { return tn_network_get_node_count(handle_, out); });
  }
  Blob information(DocumentFormat format) const {
    return Blob(detail::value_of<tn_blob_t>([&](tn_blob_t* out) {
      return tn_network_get_information(handle_, static_cast<tn_document_format>(format), out);
    }));
  }
  /** An ONNX model that computes the same; its weights are in it. */
  Blob to_onnx() const {
    return Blob(detail::value_of<tn_blob_t>(
        [&](tn_blob_t* out) { return tn_network_serialize_to_onnx(handle_, nullptr, out, nullptr); }));
  }
  /** The same, and the bytes of the file of that name beside it, which holds its larger weights. */
  std::pair<Blob, Blob> to_onnx(const std::string& weights_location) const {
    tn_blob_t weights = nullptr;
    Blob model(detail::value_of<tn_blob_t>([&](tn_blob_t* out) {
      return tn_network_serialize_to_onnx(handle_, weights_location.c_str(), out, &weights);
    }));
    return {std::move(model), Blob(weights)};
  }

 private:
  friend struct detail::Tensors<Network>;
  static constexpr auto get_tensor_count = tn_network_get_tensor_count;
  static constexpr auto find_tensor_c = tn_network_find_tensor;
  static constexpr auto get_tensor_name = tn_network_get_tensor_name;
  static constexpr auto get_tensor_mode = tn_network_get_tensor_mode;
  static constexpr auto get_tensor_data_type = tn_network_get_tensor_data_type;
  static constexpr auto get_tensor_shape = tn_network_get_tensor_shape;
};

inline Blob Builder::build(const Network& network, const BuilderConfig& config, Blob* report) const {
  tn_blob_t plan = nullptr, document = nullptr;
  check(tn_builder_build(handle_, network.get(), config.get(), &plan, report ? &document : nullptr));
  if (report) *report = Blob(document);
  return Blob(plan);
}

/** Settings of engines. */
class Runtime : public detail::Owner<tn_runtime_t, tn_runtime_destroy> {
 public:
  Runtime() { check(tn_runtime_create(&handle_)); }
  explicit Runtime(tn_runtime_t handle) noexcept : Owner(handle) {}
  /** A logger that holds nothing: nowhere. */
  void set_logger(const Logger& logger) { check(tn_runtime_set_logger(handle_, logger.get())); }
  /** An allocator that holds nothing: the process's heap. */
  void set_allocator(const Allocator& allocator) {
    check(tn_runtime_set_allocator(handle_, allocator.get()));
  }
  void set_thread_count(std::int32_t count) { check(tn_runtime_set_thread_count(handle_, count)); }
  std::int32_t thread_count() const {
    return detail::value_of<std::int32_t>(
        [&](std::int32_t* out) { return tn_runtime_get_thread_count(handle_, out); });
  }
  void set_limit(Limit limit, std::int64_t value) {
    check(tn_runtime_set_limit(handle_, static_cast<tn_limit>(limit), value));
  }
  std::int64_t limit(Limit limit) const {
    return detail::value_of<std::int64_t>(
        [&](std::int64_t* out) { return tn_runtime_get_limit(handle_, static_cast<tn_limit>(limit), out); });
  }
};

/** A plan that is loaded. */
class Engine : public detail::Owner<tn_engine_t, tn_engine_destroy>, public detail::Tensors<Engine> {
 public:
  using Owner::Owner;
  Engine(const Runtime& runtime, const void* plan, std::size_t plan_size) {
    check(tn_engine_create(runtime.get(), plan, plan_size, &handle_));
  }
  Engine(const Runtime& runtime, const Blob& plan) : Engine(runtime, plan.data(), plan.size()) {}
  /** The plan with the weights that are in force. */
  Blob serialize() const {
    return Blob(
        detail::value_of<tn_blob_t>([&](tn_blob_t* out) { return tn_engine_serialize(handle_, out); }));
  }
  std::string name() const {
    return detail::checked_text_of([&](char* buf, std::size_t size, std::size_t* out) {
      return tn_engine_get_name(handle_, buf, size, out);
    });
  }
  std::int32_t thread_count() const {
    return detail::value_of<std::int32_t>(
        [&](std::int32_t* out) { return tn_engine_get_thread_count(handle_, out); });
  }
  TensorFormat tensor_format(std::size_t index) const {
    return static_cast<TensorFormat>(detail::value_of<tn_tensor_format>(
        [&](tn_tensor_format* out) { return tn_engine_get_tensor_format(handle_, index, out); }));
  }
  TensorLocation tensor_location(std::size_t index) const {
    return static_cast<TensorLocation>(detail::value_of<tn_tensor_location>(
        [&](tn_tensor_location* out) { return tn_engine_get_tensor_location(handle_, index, out); }));
  }
  std::int32_t profile_count() const {
    return detail::value_of<std::int32_t>(
        [&](std::int32_t* out) { return tn_engine_get_profile_count(handle_, out); });
  }
  Dims profile_shape(std::int32_t profile, const std::string& input, ShapeSelector selector) const {
    return detail::dims_of([&](std::int64_t* dims, std::size_t size, std::size_t* out) {
      return tn_engine_get_profile_shape(handle_, profile, input.c_str(),
                                         static_cast<tn_shape_selector>(selector), dims, size, out);
    });
  }
  /** Bytes of intermediate results that each context of a profile takes. */
  std::uint64_t arena_size(std::int32_t profile = 0) const {
    return detail::value_of<std::uint64_t>(
        [&](std::uint64_t* out) { return tn_engine_get_arena_size(handle_, profile, out); });
  }
  std::uint64_t weight_size() const {
    return detail::value_of<std::uint64_t>(
        [&](std::uint64_t* out) { return tn_engine_get_weight_size(handle_, out); });
  }
  std::size_t layer_count(std::int32_t profile = 0) const {
    return detail::value_of<std::size_t>(
        [&](std::size_t* out) { return tn_engine_get_layer_count(handle_, profile, out); });
  }
  std::string layer_name(std::int32_t profile, std::size_t index) const {
    return detail::checked_text_of([&](char* buf, std::size_t size, std::size_t* out) {
      return tn_engine_get_layer_name(handle_, profile, index, buf, size, out);
    });
  }
  std::string layer_kernel(std::int32_t profile, std::size_t index) const {
    return detail::checked_text_of([&](char* buf, std::size_t size, std::size_t* out) {
      return tn_engine_get_layer_kernel(handle_, profile, index, buf, size, out);
    });
  }
  /** Names of ONNX nodes, a line each. */
  std::string layer_origins(std::int32_t profile, std::size_t index) const {
    return detail::checked_text_of([&](char* buf, std::size_t size, std::size_t* out) {
      return tn_engine_get_layer_origins(handle_, profile, index, buf, size, out);
    });
  }

 private:
  friend struct detail::Tensors<Engine>;
  static constexpr auto get_tensor_count = tn_engine_get_tensor_count;
  static constexpr auto find_tensor_c = tn_engine_find_tensor;
  static constexpr auto get_tensor_name = tn_engine_get_tensor_name;
  static constexpr auto get_tensor_mode = tn_engine_get_tensor_mode;
  static constexpr auto get_tensor_data_type = tn_engine_get_tensor_data_type;
  static constexpr auto get_tensor_shape = tn_engine_get_tensor_shape;
};

/** What a profiler is told of a layer; the texts live as long as the call. */
struct LayerTime {
  std::size_t index;
  std::string_view name, kernel, origins;
  double microseconds;
};

/** One run of an engine at a time. */
class ExecutionContext : public detail::Owner<tn_execution_context_t, tn_execution_context_destroy> {
 public:
  using Owner::Owner;
  explicit ExecutionContext(const Engine& engine, std::int32_t profile = 0) {
    check(tn_execution_context_create(engine.get(), profile, &handle_));
    for (std::size_t i = 0; i < engine.tensor_count(); ++i)
      tensors_.push_back({engine.tensor_name(i), engine.tensor_mode(i), engine.tensor_data_type(i)});
  }
  /** Shapes and buffers must be set again afterwards. */
  void set_profile(std::int32_t profile) { check(tn_execution_context_set_profile(handle_, profile)); }
  std::int32_t profile() const {
    return detail::value_of<std::int32_t>(
        [&](std::int32_t* out) { return tn_execution_context_get_profile(handle_, out); });
  }
  void set_input_shape(const std::string& input, const Dims& dims) {
    check(tn_execution_context_set_input_shape(handle_, input.c_str(), dims.data(), dims.size()));
  }
  Dims shape(const std::string& tensor) const {
    return detail::dims_of([&](std::int64_t* dims, std::size_t size, std::size_t* out) {
      return tn_execution_context_get_shape(handle_, tensor.c_str(), dims, size, out);
    });
  }
  /** The memory must stay valid as long as runs use it. */
  void set_buffer(const std::string& tensor, void* buffer, std::size_t size) {
    check(tn_execution_context_set_buffer(handle_, tensor.c_str(), buffer, size));
  }
  /** For inputs, which are only read. */
  void set_buffer(const std::string& tensor, const void* buffer, std::size_t size) {
    set_buffer(tensor, const_cast<void*>(buffer), size);
  }
  /** Shape and memory of an input, which must stay valid as long as runs use it. Throws for another type of elements. */
  void set_input(const std::string& input, const TensorView& tensor) {
    set_input_shape(input, tensor.dims());
    expect(input, tensor.data_type());
    set_buffer(input, tensor.data(), tensor.size());
  }
  /** Memory of an output, likewise. */
  template <class T>
  void set_output(const std::string& output, Span<T> elements) {
    expect(output, DataTypeOf<T>::value);
    set_buffer(output, elements.data(), elements.size_bytes());
  }
  template <class Container>
  void set_output(const std::string& output, Container& elements) {
    set_output(output, Span<std::remove_pointer_t<decltype(elements.data())>>(elements));
  }
  /** Runs with these inputs, and gives the outputs in memory of their own. Afterwards no buffer is set. */
  Outputs run(const std::vector<std::pair<std::string, TensorView>>& inputs) {
    return run_with(inputs, [this] { run(); });
  }
  /** As run(inputs), with another way to run: run_measured(), enqueue() and wait(). */
  template <class Run>
  Outputs run_with(const std::vector<std::pair<std::string, TensorView>>& inputs, Run&& run) {
    Unset unset{this, {}};
    for (const auto& [name, tensor] : inputs) {
      unset.names.push_back(name);
      set_input(name, tensor);
    }
    Outputs outputs;
    for (const Signature& tensor : tensors_)
      if (tensor.mode == IoMode::output) outputs.all_.emplace_back(tensor.name, Tensor(tensor.type, shape(tensor.name)));
    for (auto& [name, tensor] : outputs.all_) {
      unset.names.push_back(name);
      set_buffer(name, tensor.data(), tensor.size());
    }
    run();
    return outputs;
  }
  void prepare() { check(tn_execution_context_prepare(handle_)); }
  void run() { check(tn_execution_context_run(handle_)); }
  /** Runs, and gives the microseconds that the device took. */
  double run_measured() {
    double microseconds = 0;
    check(tn_execution_context_run_measured(handle_, &microseconds));
    return microseconds;
  }
  /** Times of one run beside the device's own, in microseconds. */
  struct Parts {
    double input = 0, enqueue = 0, output = 0;
  };
  Parts run_in_parts() {
    Parts parts;
    check(tn_execution_context_run_in_parts(handle_, &parts.input, &parts.enqueue, &parts.output));
    return parts;
  }
  /** Whether the next run is one replay of a recording. */
  bool is_replayed() const { return replay().first != 0; }
  /** Recordings that the context has made. */
  std::uint64_t recording_count() const { return replay().second; }
  /** Why the next run is no replay; empty if it is one. */
  std::string replay_refusal() const {
    return detail::checked_text_of([&](char* buf, std::size_t size, std::size_t* out) {
      return tn_execution_context_get_replay_refusal(handle_, buf, size, out);
    });
  }
  void enqueue(void* stream = nullptr) { check(tn_execution_context_enqueue(handle_, stream)); }
  void wait() { check(tn_execution_context_wait(handle_)); }
  /** Hears the time of each layer. An empty function: nobody. */
  using Profiler = std::function<void(const LayerTime&)>;
  void set_profiler(Profiler profiler) {
    if (!profiler) return check(tn_execution_context_set_profiler(handle_, nullptr));
    tn_profiler_callbacks callbacks;
    tn_profiler_callbacks_init(&callbacks, sizeof callbacks);
    callbacks.layer = [](void* user_data, std::size_t index, const char* name, const char* kernel,
                         const char* origins, double microseconds) -> tn_error_t {
      try {
        (*static_cast<Profiler*>(user_data))(LayerTime{index, name, kernel, origins, microseconds});
        return nullptr;
      } catch (...) {
        return detail::error_of_exception();
      }
    };
    callbacks.release = detail::release_function<Profiler>;
    callbacks.user_data = new Profiler(std::move(profiler));
    check(tn_execution_context_set_profiler(handle_, &callbacks));
  }

 private:
  struct Signature {
    std::string name;
    IoMode mode;
    DataType type;
  };
  // Takes the buffers of a run away, however it ended.
  struct Unset {
    ExecutionContext* context;
    std::vector<std::string> names;
    ~Unset() {
      tn_error_destroy(tn_execution_context_wait(context->handle_));  // a run that was left under way
      for (const std::string& name : names)
        tn_error_destroy(tn_execution_context_set_buffer(context->handle_, name.c_str(), nullptr, 0));
    }
  };
  void expect(const std::string& name, DataType type) const {
    for (const Signature& tensor : tensors_)
      if (tensor.name == name && tensor.type != type)
        throw Error(ErrorCode::invalid_argument,
                    name + " has elements of type " + name_of(tensor.type) + ", not " + name_of(type) + ": convert them");
  }
  std::vector<Signature> tensors_;  // empty for a context that was made of a handle: no types are checked

  std::pair<std::int32_t, std::uint64_t> replay() const {
    std::pair<std::int32_t, std::uint64_t> out;
    check(tn_execution_context_get_replay(handle_, &out.first, &out.second));
    return out;
  }
};

/** Describes a plan. */
class EngineInspector : public detail::Owner<tn_engine_inspector_t, tn_engine_inspector_destroy> {
 public:
  using Owner::Owner;
  explicit EngineInspector(const Engine& engine) {
    check(tn_engine_inspector_create(engine.get(), &handle_));
  }
  /** Of a plan that is not loaded. */
  explicit EngineInspector(const Blob& plan) {
    check(tn_engine_inspector_create_from_plan(plan.data(), plan.size(), &handle_));
  }
  Blob information(DocumentFormat format) const {
    return Blob(detail::value_of<tn_blob_t>([&](tn_blob_t* out) {
      return tn_engine_inspector_get_information(handle_, static_cast<tn_document_format>(format), out);
    }));
  }
  /** A profile as an ONNX model to look at; `report`: of the build that made the plan, or empty. */
  Blob to_onnx(std::int32_t profile = 0, std::string_view report = {}) const {
    return Blob(detail::value_of<tn_blob_t>([&](tn_blob_t* out) {
      return tn_engine_inspector_serialize_to_onnx(handle_, profile, report.data(), report.size(), out);
    }));
  }
};

/** Whether something of ONNX is supported, and the document that says how. */
struct Capability {
  bool supported = false;
  Blob document;
};

/** Of an operator in an op set, without a model. */
inline Capability onnx_operator_capability(const std::string& domain, const std::string& op_type,
                                           std::int64_t version, DocumentFormat format) {
  std::int32_t supported = 0;
  Blob document(detail::value_of<tn_blob_t>([&](tn_blob_t* out) {
    return tn_onnx_operator_get_capability(domain.c_str(), op_type.c_str(), version,
                                           static_cast<tn_document_format>(format), &supported, out);
  }));
  return {supported != 0, std::move(document)};
}

/** An ONNX model that has been read but not imported. */
class OnnxModel : public detail::Owner<tn_onnx_model_t, tn_onnx_model_destroy> {
 public:
  using Owner::Owner;
  static OnnxModel from_file(const Builder& builder, const std::string& path) {
    return OnnxModel(detail::value_of<tn_onnx_model_t>([&](tn_onnx_model_t* out) {
      return tn_onnx_model_create_from_file(builder.get(), path.c_str(), out);
    }));
  }
  /** Shares the blob's bytes. */
  static OnnxModel from_blob(const Builder& builder, const Blob& blob) {
    return OnnxModel(detail::value_of<tn_onnx_model_t>([&](tn_onnx_model_t* out) {
      return tn_onnx_model_create_from_blob(builder.get(), blob.get(), out);
    }));
  }
  /** A weight in place of the model's: the elements of `data` from `offset` on, which are shared. */
  void set_initializer(const std::string& name, DataType type, const Dims& dims, const Blob& data,
                       std::size_t offset = 0) {
    check(tn_onnx_model_set_initializer(handle_, data.get(), name.c_str(), static_cast<tn_data_type>(type),
                                        dims.data(), dims.size(), offset));
  }
  Capability capability(DocumentFormat format) const {
    std::int32_t supported = 0;
    Blob document(detail::value_of<tn_blob_t>([&](tn_blob_t* out) {
      return tn_onnx_model_get_capability(handle_, static_cast<tn_document_format>(format), &supported, out);
    }));
    return {supported != 0, std::move(document)};
  }
};

inline Network Network::from_onnx_model(const OnnxModel& model) {
  return Network(detail::value_of<tn_network_t>(
      [&](tn_network_t* out) { return tn_network_create_from_onnx_model(model.get(), out); }));
}

/** New weights for an engine. */
class Refitter : public detail::Owner<tn_refitter_t, tn_refitter_destroy> {
 public:
  using Owner::Owner;
  explicit Refitter(const Engine& engine) { check(tn_refitter_create(engine.get(), &handle_)); }
  std::size_t weight_count() const {
    return detail::value_of<std::size_t>(
        [&](std::size_t* out) { return tn_refitter_get_weight_count(handle_, out); });
  }
  std::size_t find_weight(const std::string& name) const {
    return detail::value_of<std::size_t>(
        [&](std::size_t* out) { return tn_refitter_find_weight(handle_, name.c_str(), out); });
  }
  std::string weight_name(std::size_t index) const {
    return detail::checked_text_of([&](char* buf, std::size_t size, std::size_t* out) {
      return tn_refitter_get_weight_name(handle_, index, buf, size, out);
    });
  }
  DataType weight_data_type(std::size_t index) const {
    return static_cast<DataType>(detail::value_of<tn_data_type>(
        [&](tn_data_type* out) { return tn_refitter_get_weight_data_type(handle_, index, out); }));
  }
  Dims weight_shape(std::size_t index) const {
    return detail::dims_of([&](std::int64_t* dims, std::size_t size, std::size_t* out) {
      return tn_refitter_get_weight_shape(handle_, index, dims, size, out);
    });
  }
  /** Empty if the weight can be changed. */
  std::string pin_reason(std::size_t index) const {
    return detail::checked_text_of([&](char* buf, std::size_t size, std::size_t* out) {
      return tn_refitter_get_pin_reason(handle_, index, buf, size, out);
    });
  }
  /** Copies the data. */
  void set_weight(const std::string& name, DataType type, const Dims& dims, const void* data,
                  std::size_t size) {
    check(tn_refitter_set_weight(handle_, name.c_str(), static_cast<tn_data_type>(type), dims.data(),
                                 dims.size(), data, size));
  }
  /** Copies the elements. */
  void set_weight(const std::string& name, const TensorView& weight) {
    set_weight(name, weight.data_type(), weight.dims(), weight.data(), weight.size());
  }
  /** Returns how many were set. */
  std::size_t set_weights_from_network(const Network& network) {
    return detail::value_of<std::size_t>(
        [&](std::size_t* out) { return tn_refitter_set_weights_from_network(handle_, network.get(), out); });
  }
  std::vector<std::string> missing() const {
    std::vector<std::string> names(detail::value_of<std::size_t>(
        [&](std::size_t* out) { return tn_refitter_get_missing_count(handle_, out); }));
    for (std::size_t i = 0; i < names.size(); ++i)
      names[i] = detail::checked_text_of([&](char* buf, std::size_t size, std::size_t* out) {
        return tn_refitter_get_missing_name(handle_, i, buf, size, out);
      });
    return names;
  }
  /** All or none. */
  void apply() { check(tn_refitter_apply(handle_)); }
};

/** Objects that exist: see tn_debug_get_live_count(). */
inline std::int64_t live_count(const std::string& type) {
  return detail::value_of<std::int64_t>(
      [&](std::int64_t* out) { return tn_debug_get_live_count(type.c_str(), out); });
}

}  // namespace api_0_1
}  // namespace tenon

#endif
