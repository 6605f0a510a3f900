// Inputs and outputs whose buffers a device cannot work on as they are: memory of the device stands for them and is
// copied before and after each run.
#pragma once

#include <span>
#include <vector>

#include "device/device.h"

namespace tenon {

// Thread rule: its context's.
class Staging {
 public:
  Staging(const Device& device, Allocator& allocator, size_t tensors)
      : device_(device), allocator_(allocator), blocks_(tensors) {}

  // Whether kernels of the device may be given the address: memory of the device itself, aligned for vector access.
  // Refuses memory of another device.
  static Result<bool> is_direct(const Device& device, const void* data, std::string_view tensor);

  // Forgets the copies; memory stays for later.
  void clear();
  // The address that stands for `data` in runs to come.
  Result<void*> add(size_t tensor, void* data, uint64_t bytes, bool is_input);

  // Whether anything is copied there, or back.
  bool has_copies(bool out) const { return !(out ? outputs_ : inputs_).empty(); }
  Status copy_in(void* queue) const;
  Status copy_out(void* queue) const;

 private:
  struct Copy {
    void* user;
    void* device;
    uint64_t bytes;
  };
  const Device& device_;
  Allocator& allocator_;
  std::vector<Block> blocks_;  // by tensor
  std::vector<Copy> inputs_, outputs_;
};

}  // namespace tenon
