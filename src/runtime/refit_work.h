// What a refit computes and moves, divided among the threads of the host's team.
#pragma once

#include <atomic>
#include <span>
#include <vector>

#include "runtime/engine.h"
#include "runtime/engine_impl.h"
#include "runtime/program.h"
#include "runtime/upload.h"

namespace tenon {

// Fills the memory of new weights. Independent pieces run side by side: programs, each on one thread, and parts of what
// is only moved. A program that alone would keep the team waiting runs before them, on all of it.
//
// Results never depend on which thread does what, and of several failures the first piece's is given.
class RefitWork final : public Work {
 public:
  struct Call {
    const plan::Plan& plan;
    const KernelTable& kernels;
    Allocator& allocator;
    std::span<const Engine::NewWeight* const> given;  // by source
    const Weights& old;
    Weights& fresh;   // with memory, and the hashes of `old`
    Upload* upload;   // on the host null: results are written where they stay, and what no program computes comes from
                      // `old`; elsewhere that is in the new memory already
  };

  explicit RefitWork(const Call& call) : call_(call), plan_(call.plan) {}
  // The programs to run, of whose weights all sources are given. Brings literals that they read from `device`.
  Status init(std::span<const plan::RefitProgram* const> programs, const Device& device, int threads);
  Status execute(const Lane& lane) override;

 private:
  // Whatever a thread takes at a time.
  struct Piece {
    const plan::RefitProgram* program = nullptr;  // to be run
    const std::byte* from = nullptr;              // else bytes that go to `offset` of the new weights,
    uint64_t offset = 0, bytes = 0;
    uint32_t weight = 0;                          // or a whole weight's, of which nothing is to be moved, if these are 0
  };
  // A member's own.
  struct Member {
    explicit Member(Allocator& allocator) : memory(allocator) {}
    ProgramMemory memory;
    Block results;  // of a program, on their way to the device
  };

  Status bring_literals(std::span<const plan::RefitProgram* const> programs, const Device& device);
  Status add_large(const plan::RefitProgram& program);
  void add_parts(uint64_t offset, const std::byte* from, uint64_t bytes);
  void add_kept(const std::vector<bool>& written);

  std::byte* place_of(uint32_t weight) const { return call_.fresh.memory.data() + plan_.weights[weight].offset; }
  uint64_t end_of(uint32_t weight) const;
  Result<std::vector<std::byte*>> results_of(const plan::RefitProgram& program, Block& block) const;
  Status run(const plan::RefitProgram& program, std::span<std::byte* const> results, ProgramMemory& memory, Team& team);
  void work(size_t member);
  Status take(const Piece& piece, Member& member);
  Status move(uint64_t offset, const std::byte* from, uint64_t bytes);
  void complete(uint32_t weight, const std::byte* bytes);

  struct Large {
    const plan::RefitProgram* program;
    Block block;
    std::vector<std::byte*> results;
  };

  const Call call_;
  const plan::Plan& plan_;
  std::unique_ptr<Team> alone_;              // of one, for every member
  std::vector<const std::byte*> literals_;   // by weight; null where no program reads it
  std::vector<Block> literal_memory_;
  std::vector<Large> large_;
  std::vector<Piece> pieces_;                // in the order in which they are begun
  std::vector<Status> results_;              // by piece
  std::vector<std::unique_ptr<Member>> members_;
  std::atomic<size_t> next_{0};
  std::atomic<bool> failed_{false};
};

}  // namespace tenon
