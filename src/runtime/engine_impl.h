// The engine behind engine.h.
#pragma once

#include <atomic>
#include <mutex>
#include <unordered_map>

#include "base/live_count.h"
#include "device/device.h"
#include "runtime/engine.h"
#include "runtime/prepared.h"

namespace tenon {

// The weights of an engine at one time; never changed once they are in force.
struct Weights {
  [[no_unique_address]] Live<LiveType::weights> live;
  Block memory;                  // of the device
  Block host_memory;             // of weights that host steps read on a device that is not the host
  std::vector<void*> addresses;  // by weight
  std::vector<uint64_t> hashes;  // by weight
};

class EngineImpl final : public Engine {
 public:
  EngineImpl(plan::Plan plan, const EngineOptions& options) : plan_(std::move(plan)), options_(options) {}
  Status init(const Log& log);

  const std::vector<IoTensor>& io() const override { return io_; }
  int profile_count() const override { return static_cast<int>(plan_.profiles.size()); }
  Result<std::vector<plan::Range>> profile_shape(int profile, std::string_view input) const override;
  uint64_t arena_bytes(int profile) const override;
  bool on_host() const override { return device_->is_host(); }
  const plan::Plan& plan() const override { return plan_; }
  Result<std::unique_ptr<Context>> create_context(int profile) override;
  Result<std::vector<std::byte>> serialize() const override;
  Status refit(std::span<const NewWeight> weights) override;
  std::vector<std::string> missing(std::span<const std::string> set) const override;

  // For contexts.
  const EngineOptions& options() const { return options_; }
  Allocator& allocator() const { return options_.allocator ? *options_.allocator : default_allocator(); }
  const Device& device() const { return *device_; }
  DeviceSession* session() const { return session_.get(); }
  // Of the host: its contexts' on the host device, else of host steps and refits.
  Stream& host_stream() const { return *host_stream_; }
  const RegionKernels& kernels(int profile) const { return kernels_[profile]; }
  // Counts the refits: contexts ask for the weights anew when it has changed.
  uint64_t weights_version() const { return weights_version_.load(std::memory_order_acquire); }
  std::shared_ptr<const Weights> weights() const;
  // The position of a tensor among inputs, then outputs; fails naming the tensors that there are.
  Result<size_t> find_tensor(std::string_view name) const;
  // What was prepared for the profile's opt shape when the engine was loaded, for the first context that
  // asks.
  std::unique_ptr<PreparedRegion> take_prepared(int profile);

 private:
  Status check_target(const Log& log);
  Status open_session();
  Status place_weights();
  Status view_texts();
  // The weights' bytes as a plan holds them, from the device.
  Result<Block> weight_bytes(const Weights& weights) const;
  // With memory for all weights, undefined.
  Result<std::shared_ptr<Weights>> allocate_weights() const;
  Status prepare_profile(int profile);
  void describe_io();

  using Given = std::vector<const NewWeight*>;  // by source; null: not given
  Result<Given> check_refit(std::span<const NewWeight> weights) const;
  void add_needed(std::vector<bool>& sources) const;

  [[no_unique_address]] Live<LiveType::engine> live_;
  plan::Plan plan_;
  EngineOptions options_;
  const Device* device_ = nullptr;
  std::unique_ptr<DeviceSession> session_;
  std::vector<std::byte> image_bytes_;
  std::vector<std::byte> text_bytes_;                // of weights of strings, as the plan holds them
  std::vector<std::unique_ptr<Text[]>> text_views_;  // by weight; null of those of numbers
  uint64_t weight_bytes_ = 0;  // of all weights as a plan holds them
  std::unique_ptr<Stream> host_stream_;
  std::vector<IoTensor> io_;
  std::unordered_map<std::string_view, size_t> tensor_index_;
  std::vector<RegionKernels> kernels_;  // by profile
  std::mutex prepared_mutex_;
  std::vector<std::unique_ptr<PreparedRegion>> prepared_;  // by profile
  std::mutex refit_mutex_;                                 // one refit at a time
  mutable std::mutex weights_mutex_;                       // guards weights_
  std::shared_ptr<const Weights> weights_;
  std::atomic<uint64_t> weights_version_{0};
};

// In context.cpp.
Result<std::unique_ptr<Context>> make_context(std::shared_ptr<EngineImpl> engine, int profile);

}  // namespace tenon
