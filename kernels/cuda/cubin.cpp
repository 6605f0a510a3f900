#include "cuda/cubin.h"

#include <elf.h>

#include <cstdint>
#include <cstring>

namespace tenon::cuda {
namespace {

constexpr uint16_t kGpu = 190;  // EM_CUDA

// Whether [offset, offset + count * each) lies in `size` bytes.
bool lies_in(uint64_t offset, uint64_t count, uint64_t each, uint64_t size) {
  return offset <= size && (each == 0 || count <= (size - offset) / each);
}

template <class T>
T read(std::span<const std::byte> bytes, uint64_t offset) {
  T out;
  std::memcpy(&out, bytes.data() + offset, sizeof out);
  return out;
}

tl::unexpected<Error> damaged(const char* what) {
  return fail(Code::invalid_plan, "compiled GPU code is damaged: {}", what);
}

}  // namespace

Status check_cubin(std::span<const std::byte> bytes) {
  if (bytes.size() < sizeof(Elf64_Ehdr)) return damaged("it is shorter than a header");
  const auto header = read<Elf64_Ehdr>(bytes, 0);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_machine != kGpu)
    return damaged("it is no 64-bit ELF file of GPU code");
  if (header.e_shnum == 0 || header.e_shentsize != sizeof(Elf64_Shdr) || header.e_shstrndx >= header.e_shnum ||
      !lies_in(header.e_shoff, header.e_shnum, sizeof(Elf64_Shdr), bytes.size()))
    return damaged("its table of sections lies outside");
  if (header.e_phnum != 0 && (header.e_phentsize != sizeof(Elf64_Phdr) ||
                              !lies_in(header.e_phoff, header.e_phnum, sizeof(Elf64_Phdr), bytes.size())))
    return damaged("its table of segments lies outside");
  for (uint64_t i = 0; i < header.e_shnum; ++i) {
    const auto section = read<Elf64_Shdr>(bytes, header.e_shoff + i * sizeof(Elf64_Shdr));
    if (section.sh_type != SHT_NOBITS && section.sh_type != SHT_NULL &&
        !lies_in(section.sh_offset, section.sh_size, 1, bytes.size()))
      return damaged("a section lies outside");
  }
  for (uint64_t i = 0; i < header.e_phnum; ++i) {
    const auto segment = read<Elf64_Phdr>(bytes, header.e_phoff + i * sizeof(Elf64_Phdr));
    if (!lies_in(segment.p_offset, segment.p_filesz, 1, bytes.size())) return damaged("a segment lies outside");
  }
  return {};
}

}  // namespace tenon::cuda
