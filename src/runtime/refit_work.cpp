#include "runtime/refit_work.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "base/hash.h"

namespace tenon {
namespace {

constexpr uint64_t kPart = 1 << 20;  // bytes that one thread moves at a time

uint64_t aligned(uint64_t bytes) { return (bytes + 63) / 64 * 64; }

// Bytes that a program reads and writes.
uint64_t cost(const plan::Plan& plan, const plan::RefitProgram& program) {
  uint64_t bytes = 0;
  for (uint32_t w : program.weights) bytes += plan.weights[w].bytes;
  for (uint32_t s : program.sources)
    bytes += static_cast<uint64_t>(
        plan::storage_bytes(plan.sources[s].dtype, kLinear, plan.sources[s].dims).value_or(0));
  return bytes;
}

}  // namespace

Status RefitWork::init(std::span<const plan::RefitProgram* const> programs, const Device& device, int threads) {
  TN_ASSIGN(alone_, Team::create(1));
  for (int i = 0; i < threads; ++i) members_.push_back(std::make_unique<Member>(call_.allocator));
  TN_TRY(bring_literals(programs, device));
  uint64_t all = 0;
  for (const plan::RefitProgram* program : programs) all += cost(plan_, *program);
  const uint64_t share = std::max(2 * kPart, all / static_cast<uint64_t>(threads));
  std::vector<std::pair<uint64_t, const plan::RefitProgram*>> small;
  std::vector<bool> written(plan_.weights.size());
  for (const plan::RefitProgram* program : programs) {
    for (uint32_t w : program->weights) written[w] = true;
    const uint64_t bytes = cost(plan_, *program);
    if (bytes <= share || (threads == 1 && !program->region.steps.empty())) small.emplace_back(bytes, program);
    else TN_TRY(add_large(*program));
  }
  if (!call_.upload) add_kept(written);
  // The longest first. No two programs compute one weight, so the order is one.
  std::ranges::sort(small, [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second->weights[0] < b.second->weights[0];
  });
  for (const auto& [bytes, program] : small) pieces_.push_back({program});
  results_.resize(pieces_.size());
  return {};
}

// On the host they are read where they are: in the old weights, which hold the same.
Status RefitWork::bring_literals(std::span<const plan::RefitProgram* const> programs, const Device& device) {
  literals_.resize(plan_.weights.size());
  for (const plan::RefitProgram* program : programs)
    for (const plan::Value& v : program->region.values) {
      if (v.kind != plan::ValueKind::weight || literals_[v.index]) continue;
      const plan::Weight& weight = plan_.weights[v.index];
      const std::byte* here = call_.old.memory.data() + weight.offset;
      if (call_.upload && weight.format.place == Place::host) {
        here = static_cast<const std::byte*>(call_.old.addresses[v.index]);
      } else if (call_.upload && weight.bytes) {
        TN_ASSIGN(Block block, Block::allocate(call_.allocator, weight.bytes, "a constant that weights are computed from"));
        TN_TRY(device.copy(block.data(), here, weight.bytes, Direction::to_host));
        here = block.data();
        literal_memory_.push_back(std::move(block));
      }
      literals_[v.index] = here;
    }
  return {};
}

// Its own results are pieces: they lie in the new weights, or in memory that holds them until they are on the device.
Status RefitWork::add_large(const plan::RefitProgram& program) {
  Large large{&program, {}, {}};
  if (program.region.steps.empty()) {  // a copy: the results are the source
    large.results = {const_cast<std::byte*>(call_.given[program.sources[0]]->bytes.data())};
  } else {
    TN_ASSIGN(large.results, results_of(program, large.block));
  }
  for (size_t i = 0; i < program.weights.size(); ++i) {
    const uint32_t w = program.weights[i];
    pieces_.push_back({nullptr, large.results[i], 0, 0, w});
    if (large.results[i] != place_of(w)) add_parts(plan_.weights[w].offset, large.results[i], plan_.weights[w].bytes);
  }
  if (!program.region.steps.empty()) large_.push_back(std::move(large));
  return {};
}

void RefitWork::add_parts(uint64_t offset, const std::byte* from, uint64_t bytes) {
  for (uint64_t at = 0; at < bytes; at += kPart)
    pieces_.push_back({nullptr, from + at, offset + at, std::min(kPart, bytes - at), 0});
}

// Weights that no program computes, with what lies behind each.
void RefitWork::add_kept(const std::vector<bool>& written) {
  for (uint32_t w = 0; w < written.size(); ++w) {
    if (written[w]) continue;
    const uint64_t begin = plan_.weights[w].offset;
    while (w + 1 < written.size() && !written[w + 1]) ++w;
    add_parts(begin, call_.old.memory.data() + begin, end_of(w) - begin);
  }
}

// Where the next weight begins.
uint64_t RefitWork::end_of(uint32_t weight) const {
  return weight + 1 < plan_.weights.size() ? plan_.weights[weight + 1].offset : call_.old.memory.bytes();
}

// Where a program's results go: in place, or into `block`, which grows to hold them.
Result<std::vector<std::byte*>> RefitWork::results_of(const plan::RefitProgram& program, Block& block) const {
  std::vector<std::byte*> out;
  uint64_t bytes = 0;
  for (uint32_t w : program.weights) bytes += aligned(plan_.weights[w].bytes);
  if (call_.upload && block.bytes() < bytes) {
    block = Block();
    TN_ASSIGN(block, Block::allocate(default_allocator(), bytes, "new weights on the host"));
  }
  std::byte* next = block.data();
  for (uint32_t w : program.weights) {
    out.push_back(call_.upload ? next : place_of(w));
    if (next) next += aligned(plan_.weights[w].bytes);
  }
  return out;
}

Status RefitWork::run(const plan::RefitProgram& program, std::span<std::byte* const> results, ProgramMemory& memory,
                      Team& team) {
  std::vector<const std::byte*> sources;
  for (uint32_t s : program.sources) sources.push_back(call_.given[s]->bytes.data());
  Status status = run_refit_program(plan_, program, sources, results, literals_, call_.kernels, memory, team);
  if (status) return {};
  return trail(std::move(status.error()), "when computing weights from '{}'", plan_.sources[program.sources[0]].name);
}

Status RefitWork::execute(const Lane& lane) {
  for (Large& large : large_) TN_TRY(run(*large.program, large.results, members_[0]->memory, *lane.team));
  const size_t members = std::min(members_.size(), pieces_.size());
  lane.team->parallel_for(static_cast<int64_t>(members), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) work(static_cast<size_t>(i));
  });
  for (Status& status : results_) TN_TRY(std::move(status));
  return {};
}

// One member's share: pieces that nobody has begun. All before a piece that fails have been begun, so which failure is
// the first does not depend on timing.
void RefitWork::work(size_t member) {
  for (size_t i; !failed_.load(std::memory_order_relaxed) && (i = next_++) < pieces_.size();) {
    try {
      results_[i] = take(pieces_[i], *members_[member]);
    } catch (const std::bad_alloc&) {  // a thread of the team has nobody to throw to
      results_[i] = tl::unexpected<Error>(Error{Code::out_of_memory, "out of memory", {}});
    }
    if (!results_[i]) failed_.store(true, std::memory_order_relaxed);
  }
}

Status RefitWork::take(const Piece& piece, Member& member) {
  if (!piece.program) {
    if (piece.bytes) return move(piece.offset, piece.from, piece.bytes);
    complete(piece.weight, piece.from);
    return {};
  }
  const plan::RefitProgram& program = *piece.program;
  std::vector<std::byte*> results;
  if (program.region.steps.empty()) {
    results = {const_cast<std::byte*>(call_.given[program.sources[0]]->bytes.data())};
  } else {
    TN_ASSIGN(results, results_of(program, member.results));
    TN_TRY(run(program, results, member.memory, *alone_));
  }
  for (size_t i = 0; i < program.weights.size(); ++i) {
    const uint32_t w = program.weights[i];
    complete(w, results[i]);
    TN_TRY(move(plan_.weights[w].offset, results[i], plan_.weights[w].bytes));
  }
  return {};
}

Status RefitWork::move(uint64_t offset, const std::byte* from, uint64_t bytes) {
  std::byte* to = call_.fresh.memory.data() + offset;
  if (call_.upload) return call_.upload->add(to, from, bytes);
  if (bytes && to != from) std::memcpy(to, from, bytes);
  return {};
}

// All that belongs to a weight besides its bytes on the device.
void RefitWork::complete(uint32_t w, const std::byte* bytes) {
  const plan::Weight& weight = plan_.weights[w];
  call_.fresh.hashes[w] = hash_bytes(bytes, weight.bytes);
  if (weight.format.place == Place::host && weight.dtype != DType::string && weight.bytes) std::memcpy(call_.fresh.addresses[w], bytes, weight.bytes);
  const uint64_t end = weight.offset + weight.bytes;
  if (!call_.upload && end_of(w) > end)
    std::memcpy(call_.fresh.memory.data() + end, call_.old.memory.data() + end, end_of(w) - end);
}

}  // namespace tenon
