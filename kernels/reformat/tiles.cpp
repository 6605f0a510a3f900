// Reformats 4-byte elements by transposing tiles.
//
// With the spatial dims taken together a tensor is [N, C, S]. Every format then stores, for a group of channels, either
// the S positions of one channel or the channels of one position next to each other, and a group of up to 16 channels
// moves by one transpose or one strided copy.
#include <algorithm>
#include <cstring>

#include "move/transpose_tile.h"
#include "reformat/check.h"

namespace tenon {
namespace {

constexpr int64_t kGroup = 16;       // channels moved together: a multiple of every block
constexpr int64_t kPositions = 256;  // positions moved together

// How the elements of channels [c, c + 16) of image n lie: element (channel i, position s) of the group is at
// data[offset + channel(i) + s * position_stride].
struct View {
  char* data;
  Layout layout;
  int64_t block, channels, positions, stored_channels;

  explicit View(const Arg& arg, int64_t positions)
      : data(arg.as<char>()), layout(arg.format.layout), block(arg.format.block), channels(arg.dims[1]),
        positions(positions),
        stored_channels(layout == Layout::blocked ? (channels + block - 1) / block * block : channels) {}

  bool by_position() const { return layout != Layout::linear; }  // channels next to each other
  // Channels that lie side by side at one position, from channel c on.
  int64_t run() const { return layout == Layout::blocked ? block : kGroup; }
  int64_t stride() const { return layout == Layout::blocked ? block : channels; }  // between positions, if by_position
  char* at(int64_t n, int64_t c, int64_t s) const {
    int64_t element = n * stored_channels * positions;
    if (layout == Layout::linear) element += c * positions + s;
    else if (layout == Layout::channels_last) element += s * channels + c;
    else element += (c / block * positions + s) * block + c % block;
    return data + element * 4;
  }
};

struct Tiles {
  View from, to;
  TransposeTile transpose;

  // Moves `count` channels (side by side in both views) of positions [s, s + width).
  void move(int64_t n, int64_t c, int64_t count, int64_t s, int64_t width) const {
    char *src = from.at(n, c, s), *dst = to.at(n, c, s);
    if (!from.by_position() && !to.by_position()) {
      for (int64_t i = 0; i < count; ++i)
        std::memcpy(to.at(n, c + i, s), from.at(n, c + i, s), static_cast<size_t>(width) * 4);
    } else if (!from.by_position()) {
      transpose(src, from.positions, dst, to.stride(), count, width);
    } else if (!to.by_position()) {
      transpose(src, from.stride(), dst, to.positions, width, count);
    } else {
      for (int64_t i = 0; i < width; ++i)
        std::memcpy(dst + i * to.stride() * 4, src + i * from.stride() * 4, static_cast<size_t>(count) * 4);
    }
  }

  // Channels [c, c + 16) of positions [s, s + width), padding lanes of `to` included.
  void group(int64_t n, int64_t c, int64_t s, int64_t width) const {
    const int64_t step = std::min(from.run(), to.run());
    for (int64_t at = c; at < std::min(c + kGroup, from.channels); at += step)
      move(n, at, std::min({step, c + kGroup - at, from.channels - at}), s, width);
    if (to.layout != Layout::blocked) return;
    const int64_t first = std::max(c, to.channels), last = std::min(c + kGroup, to.stored_channels);
    for (int64_t at = first; at < last; ++at)
      for (int64_t i = 0; i < width; ++i) std::memset(to.at(n, at, s + i), 0, 4);
  }
};

Status prepare(const PrepareCall& call, Prepared&) {
  TN_TRY(reformat::check(call));
  TN_TRY(expect_rank(call.inputs[0], 2, kMaxRank, "reformat input"));
  if (size_of(call.inputs[0].dtype) != 4)
    return fail(Code::invalid_plan, "reformat.tiles: elements of {} do not have 4 bytes", describe(call.inputs[0]));
  return {};
}

Status launch(const LaunchCall& call) {
  const Arg &x = call.inputs[0], &out = call.outputs[0];
  if (x.count() == 0) return {};
  const int64_t positions = x.count() / (x.dims[0] * x.dims[1]);
  const Tiles tiles{View(x, positions), View(out, positions), transpose_tile(cpu_features())};
  const int64_t groups = (x.dims[1] + kGroup - 1) / kGroup, parts = (positions + kPositions - 1) / kPositions;
  // Neighbouring units share cache lines of channels_last: positions are the outer loop then.
  const bool channels_inside = out.format.layout == Layout::channels_last;
  auto body = [&](int64_t begin, int64_t end, int) {
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t n = unit / (groups * parts), rest = unit % (groups * parts);
      const int64_t group = channels_inside ? rest % groups : rest / parts;
      const int64_t part = channels_inside ? rest / groups : rest % parts;
      const int64_t s = part * kPositions;
      tiles.group(n, group * kGroup, s, std::min(kPositions, positions - s));
    }
  };
  const int64_t units = x.dims[0] * groups * parts;
  if (storage_bytes(out) < 32 << 10) body(0, units, 0);
  else call.team->parallel_for(units, body);
  return {};
}

}  // namespace

extern const Kernel kReformatTiles{"reformat.tiles", 0, 0, 0, prepare, launch};

}  // namespace tenon
