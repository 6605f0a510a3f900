#include "onnx/tensor.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "support/onnx_bytes.h"

namespace tenon::onnx {
namespace {

using namespace tenon::testing;
namespace fs = std::filesystem;

#define EXPECT_HAS(text, part) \
  EXPECT_NE((text).find(part), std::string::npos) << "'" << (part) << "' is not in: " << (text)

// A tensor read the way a model's initialiser is.
struct Read {
  std::string file;
  Result<TensorData> data = fail(Code::internal, "not read");

  explicit Read(const Message& tensor, ExternalFiles* external = nullptr, const Limits& limits = {}) {
    file = model(Message().message(5, tensor)).bytes();
    auto model = read_model(std::as_bytes(std::span(file.data(), file.size())), limits);
    if (!model) {
      data = tl::unexpected<Error>(model.error());
      return;
    }
    ExternalFiles none;
    data = read_tensor(model->graph.initializers.at(0), {nullptr, external ? external : &none, limits});
  }
  std::string problem() const { return data ? "" : data.error().text(); }
  template <class T>
  std::vector<T> values() const {
    EXPECT_TRUE(data) << problem();
    if (!data) return {};
    std::vector<T> out(data->bytes.size() / sizeof(T));
    if (!out.empty()) std::memcpy(out.data(), data->bytes.data(), data->bytes.size());
    return out;
  }
};

template <class T>
std::string raw(std::initializer_list<T> values) {
  return {reinterpret_cast<const char*>(values.begin()), values.size() * sizeof(T)};
}

Message tensor(int type, std::initializer_list<int64_t> dims) {
  return Message().integers(1, dims).integer(2, type);
}

// Two or four elements to a byte, the first in the low bits; in memory one byte each.
TEST(OnnxTensor, NarrowElementsGetAByteEach) {
  using Bytes = std::vector<uint8_t>;
  EXPECT_EQ(Read(tensor(21, {3}).text(9, raw<uint8_t>({0x21, 0xf3}))).values<uint8_t>(), (Bytes{1, 2, 3}));
  EXPECT_EQ(Read(tensor(22, {2}).integers(5, {0x9f})).values<uint8_t>(), (Bytes{15, 9}));
  EXPECT_EQ(Read(tensor(23, {1, 2}).text(9, raw<uint8_t>({0x70}))).values<uint8_t>(), (Bytes{0, 7}));
  EXPECT_EQ(Read(tensor(25, {5}).text(9, raw<uint8_t>({0xe4, 0x02}))).values<uint8_t>(), (Bytes{0, 1, 2, 3, 2}));
  EXPECT_EQ(Read(tensor(26, {4}).integers(5, {0x1b})).values<uint8_t>(), (Bytes{3, 2, 1, 0}));
  EXPECT_EQ(Read(tensor(24, {2}).text(9, raw<uint8_t>({0x7f, 0x80}))).values<uint8_t>(), (Bytes{0x7f, 0x80}));
  EXPECT_EQ(Read(tensor(21, {0}).text(9, "")).values<uint8_t>(), Bytes{});
  EXPECT_HAS(Read(tensor(21, {3}).text(9, raw<uint8_t>({0x21}))).problem(), "raw_data has 1 bytes");
  EXPECT_HAS(Read(tensor(26, {5}).text(9, raw<uint8_t>({1, 2, 3}))).problem(), "raw_data has 3 bytes");
}

TEST(OnnxTensor, ReadsEveryWayOfStoringElements) {
  EXPECT_EQ(Read(tensor(1, {2}).text(9, raw<float>({1.5f, -2.f}))).values<float>(),
            (std::vector<float>{1.5f, -2.f}));
  EXPECT_EQ(Read(tensor(1, {2}).floats(4, {1.5f, -2.f})).values<float>(), (std::vector<float>{1.5f, -2.f}));
  EXPECT_EQ(Read(tensor(1, {3}).number(4, 1.f).floats(4, {2.f, 3.f})).values<float>(),
            (std::vector<float>{1, 2, 3}));
  EXPECT_EQ(Read(tensor(7, {3}).integers(7, {INT64_MIN, -1, INT64_MAX})).values<int64_t>(),
            (std::vector<int64_t>{INT64_MIN, -1, INT64_MAX}));
  EXPECT_EQ(Read(tensor(7, {2}).integer(7, 4).integer(7, -5)).values<int64_t>(),
            (std::vector<int64_t>{4, -5}));
  EXPECT_EQ(Read(tensor(6, {2}).integers(5, {-7, INT32_MAX})).values<int32_t>(),
            (std::vector<int32_t>{-7, INT32_MAX}));
  EXPECT_EQ(Read(tensor(6, {1}).integers(5, {0xfffffff9})).values<int32_t>(), (std::vector<int32_t>{-7}));
  EXPECT_EQ(Read(tensor(3, {2}).integers(5, {-128, 127})).values<int8_t>(), (std::vector<int8_t>{-128, 127}));
  EXPECT_EQ(Read(tensor(9, {2}).integers(5, {1, 0})).values<uint8_t>(), (std::vector<uint8_t>{1, 0}));
  EXPECT_EQ(Read(tensor(10, {2}).integers(5, {0x3c00, 0xc000})).values<uint16_t>(),
            (std::vector<uint16_t>{0x3c00, 0xc000}));
  EXPECT_EQ(Read(tensor(16, {1}).integers(5, {0x3f80})).values<uint16_t>(), (std::vector<uint16_t>{0x3f80}));
  EXPECT_EQ(Read(tensor(17, {1}).integers(5, {0x7e})).values<uint8_t>(), (std::vector<uint8_t>{0x7e}));
  EXPECT_EQ(Read(tensor(12, {1}).integers(11, {0xffffffff})).values<uint32_t>(),
            (std::vector<uint32_t>{0xffffffff}));
  EXPECT_EQ(Read(tensor(13, {1}).integers(11, {-1})).values<uint64_t>(), (std::vector<uint64_t>{UINT64_MAX}));
  EXPECT_EQ(Read(tensor(11, {1}).text(10, raw<double>({0.25}))).values<double>(),
            (std::vector<double>{0.25}));
  EXPECT_EQ(Read(tensor(1, {}).floats(4, {3.f})).values<float>(), (std::vector<float>{3.f}));
  EXPECT_EQ(Read(tensor(1, {4, 0})).values<float>(), (std::vector<float>{}));
}

TEST(OnnxTensor, AlignedAndValidForItsType) {
  for (int pad = 0; pad < 8; ++pad) {
    Message t = tensor(11, {2});
    t.text(12, std::string(static_cast<size_t>(pad), 'd')).text(9, raw<double>({1, 2}));
    Read read(t);
    ASSERT_TRUE(read.data) << read.problem();
    EXPECT_EQ(reinterpret_cast<uintptr_t>(read.data->bytes.data()) % 8, 0u);
    EXPECT_EQ(read.values<double>(), (std::vector<double>{1, 2}));
  }
  EXPECT_EQ(Read(tensor(9, {3}).text(9, std::string("\x00\x02\xff", 3))).values<uint8_t>(),
            (std::vector<uint8_t>{0, 1, 1}));
}

// A model of gigabytes is mapped, not copied, wherever its writer put the data.
TEST(OnnxTensor, ManyBytesAreAViewWhereverTheyLie) {
  for (size_t elements : {kLeastUnaligned / 4 - 1, kLeastUnaligned / 4}) {
    int views = 0, copies = 0;
    for (int shift = 0; shift < 4; ++shift) {
      const std::string name(static_cast<size_t>(shift + 1), 'n');
      Read read(Message().text(8, name).integers(1, {static_cast<int64_t>(elements)}).integer(2, 1).text(
          9, std::string(elements * 4, '\1')));
      ASSERT_TRUE(read.data) << read.problem();
      const auto* begin = reinterpret_cast<const char*>(read.data->bytes.data());
      const bool within = begin >= read.file.data() && begin < read.file.data() + read.file.size();
      const bool is_aligned = reinterpret_cast<uintptr_t>(begin) % 4 == 0;
      EXPECT_TRUE(is_aligned || elements * 4 >= kLeastUnaligned);
      ++(within ? views : copies);
      EXPECT_EQ(read.values<float>().size(), elements);
    }
    EXPECT_EQ(views, elements * 4 >= kLeastUnaligned ? 4 : 1) << copies;
  }
}

TEST(OnnxTensor, CountsAndRangesAreChecked) {
  EXPECT_HAS(Read(tensor(1, {3}).text(9, raw<float>({1, 2}))).problem(), "raw_data has 8 bytes");
  EXPECT_HAS(Read(tensor(1, {3}).floats(4, {1, 2})).problem(), "holds 2 elements");
  EXPECT_HAS(Read(tensor(1, {1}).floats(4, {1, 2})).problem(), "holds 2 elements");
  EXPECT_HAS(Read(tensor(1, {3})).problem(), "holds 0 elements");
  EXPECT_HAS(Read(tensor(7, {3}).integers(7, {1, 2})).problem(), "holds 2 elements");
  EXPECT_HAS(Read(tensor(7, {1}).integers(7, {1, 2})).problem(), "more elements than the 1");
  EXPECT_HAS(Read(tensor(7, {2}).integers(7, {1}).text(12, "padding")).problem(), "holds 1 elements");
  EXPECT_HAS(Read(tensor(2, {2}).integers(5, {1, 256})).problem(), "element 1: 256 does not fit");
  EXPECT_HAS(Read(tensor(9, {1}).integers(5, {2})).problem(), "does not fit");
  EXPECT_HAS(Read(tensor(12, {1}).integers(11, {int64_t{1} << 32})).problem(), "does not fit");
  EXPECT_HAS(Read(tensor(1, {1}).integers(5, {1})).problem(), "does not use");
  EXPECT_HAS(Read(tensor(1, {1}).floats(4, {1}).text(9, raw<float>({1}))).problem(), "both raw_data");
  EXPECT_HAS(Read(tensor(1, {1}).text(4, "abc")).problem(), "field 4");
  EXPECT_HAS(Read(tensor(7, {1}).text(7, "\xff")).problem(), "malformed");
}

TEST(OnnxTensor, AbsurdDimsAreRefusedBeforeMemoryIsTaken) {
  EXPECT_HAS(Read(tensor(1, {-1})).problem(), "negative");
  EXPECT_HAS(Read(tensor(1, {int64_t{1} << 40, int64_t{1} << 40})).problem(), "tensor_elements");
  EXPECT_HAS(Read(tensor(1, {INT64_MAX, INT64_MAX, 0})).problem(), "tensor_elements");
  EXPECT_HAS(Read(tensor(11, {int64_t{1} << 38})).problem(), "tensor_bytes");
  EXPECT_HAS(Read(tensor(7, {int64_t{1} << 30}).integers(7, {1})).problem(), "cannot hold");
  EXPECT_HAS(Read(tensor(1, {1, 1, 1, 1, 1, 1, 1, 1, 1})).problem(), "the most is 8");
  EXPECT_HAS(Read(tensor(8, {1}).text(9, "text")).problem(), "type string");
  EXPECT_HAS(Read(tensor(8, {2}).text(6, "text")).problem(), "holds 1 strings; its dims ask for 2");
  EXPECT_HAS(Read(tensor(8, {1}).text(6, "a").text(6, "b")).problem(), "holds more strings than the 1");
  EXPECT_HAS(Read(tensor(14, {1}).integers(5, {1})).problem(), "type complex64");
  EXPECT_HAS(Read(tensor(257, {1}).integers(5, {1})).problem(), "type 257");
  EXPECT_HAS(Read(tensor(0, {1}).integers(5, {1})).problem(), "type undefined");
}

TEST(OnnxTensor, Strings) {
  std::string file =
      model(Message().message(5, tensor(8, {2}).text(6, "a").text(6, std::string("\0b", 2)))).bytes();
  auto model = read_model(std::as_bytes(std::span(file.data(), file.size())), {});
  ASSERT_TRUE(model);
  auto strings = read_strings(model->graph.initializers[0], {});
  ASSERT_TRUE(strings) << strings.error().text();
  EXPECT_EQ(*strings, (std::vector<std::string_view>{"a", std::string_view("\0b", 2)}));
}

class External : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "tenon_external_XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    fs::create_directories(root_ / "model" / "deep");
    write(root_ / "model" / "w.bin", raw<float>({1, 2, 3, 4}));
    write(root_ / "model" / "deep" / "w.bin", raw<float>({5, 6}));
    write(root_ / "secret.bin", raw<float>({7, 8, 9, 10}));
    auto files = ExternalFiles::beside((root_ / "model" / "m.onnx").string());
    ASSERT_TRUE(files) << files.error().text();
    files_ = std::move(*files);
  }
  void TearDown() override { fs::remove_all(root_); }
  static void write(const fs::path& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  Read read(std::string_view location, std::initializer_list<int64_t> dims, const char* offset = nullptr,
            const char* length = nullptr) {
    Message t = tensor(1, dims);
    t.message(13, external_entry("location", location));
    if (offset) t.message(13, external_entry("offset", offset));
    if (length) t.message(13, external_entry("length", length));
    t.integer(14, 1);
    return Read(t, &files_);
  }
  fs::path root_;
  ExternalFiles files_;
};

TEST_F(External, MapsFilesBeneathTheFolder) {
  EXPECT_EQ(read("w.bin", {4}).values<float>(), (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(read("w.bin", {2}, "8", "8").values<float>(), (std::vector<float>{3, 4}));
  EXPECT_EQ(read("./deep//w.bin", {2}).values<float>(), (std::vector<float>{5, 6}));
  EXPECT_EQ(read("w.bin", {0}, "16").values<float>(), (std::vector<float>{}));
  // Misaligned for the type: a copy.
  write(root_ / "model" / "odd.bin", "x" + raw<float>({1.25f}));
  EXPECT_EQ(read("odd.bin", {1}, "1").values<float>(), (std::vector<float>{1.25f}));
}

TEST_F(External, OneMappingForOneFile) {
  Read a = read("w.bin", {1}), b = read("deep/../w.bin", {1}), c = read("./w.bin", {1}, "4");
  ASSERT_TRUE(a.data && c.data);
  EXPECT_FALSE(b.data);
  EXPECT_EQ(a.data->owner, c.data->owner);
  EXPECT_EQ(a.data->bytes.data() + 4, c.data->bytes.data());
}

TEST_F(External, RefusesToLeaveTheFolder) {
  EXPECT_HAS(read("../secret.bin", {1}).problem(), "'..'");
  EXPECT_HAS(read("deep/../../secret.bin", {1}).problem(), "'..'");
  EXPECT_HAS(read((root_ / "secret.bin").string(), {1}).problem(), "absolute");
  EXPECT_HAS(read("", {1}).problem(), "empty location");
  EXPECT_HAS(read("missing.bin", {1}).problem(), "missing.bin");
  EXPECT_HAS(read(".", {1}).problem(), "names no file");
  fs::create_symlink(root_ / "secret.bin", root_ / "model" / "link.bin");
  EXPECT_HAS(read("link.bin", {1}).problem(), "symbolic link");
  fs::create_symlink("w.bin", root_ / "model" / "inner.bin");
  EXPECT_HAS(read("inner.bin", {1}).problem(), "symbolic link");
  fs::create_directory_symlink(root_, root_ / "model" / "up");
  EXPECT_HAS(read("up/secret.bin", {1}).problem(), "symbolic link");
  fs::create_hard_link(root_ / "secret.bin", root_ / "model" / "hard.bin");
  EXPECT_HAS(read("hard.bin", {1}).problem(), "hard link");
}

TEST_F(External, RefusesWhatIsNotARegularFile) {
  EXPECT_HAS(read("deep", {1}).problem(), "not a regular file");
  ASSERT_EQ(::mkfifo((root_ / "model" / "pipe").c_str(), 0600), 0);
  EXPECT_HAS(read("pipe", {1}).problem(), "not a regular file");
}

TEST_F(External, ChecksOffsetAndLength) {
  EXPECT_HAS(read("w.bin", {5}).problem(), "too short");
  EXPECT_HAS(read("w.bin", {4}, "4").problem(), "too short");
  EXPECT_HAS(read("w.bin", {1}, "18446744073709551615").problem(), "too short");
  EXPECT_HAS(read("w.bin", {1}, "18446744073709551616").problem(), "offset");
  EXPECT_HAS(read("w.bin", {1}, "-4").problem(), "offset '-4'");
  EXPECT_HAS(read("w.bin", {1}, "0x4").problem(), "offset");
  EXPECT_HAS(read("w.bin", {1}, "0", "8").problem(), "length 8 does not match");
  EXPECT_HAS(read("w.bin", {1}, "0", "").problem(), "length ''");
}

TEST_F(External, BytesHaveNoFolder) {
  Message t = tensor(1, {1});
  t.message(13, external_entry("location", "w.bin")).integer(14, 1);
  EXPECT_HAS(Read(t).problem(), "no folder");
}

TEST(MappedFile, MoreThanTwoGigabytes) {
  std::string pattern = (fs::temp_directory_path() / "tenon_big_XXXXXX").string();
  int fd = ::mkstemp(pattern.data());
  ASSERT_GE(fd, 0);
  const off_t size = (off_t{5} << 30) + 3;  // sparse: takes no space
  ASSERT_EQ(::ftruncate(fd, size), 0);
  ASSERT_EQ(::pwrite(fd, "end", 3, size - 3), 3);
  ::close(fd);
  {
    auto file = MappedFile::open(pattern, int64_t{1} << 40, "model_bytes");
    ASSERT_TRUE(file) << file.error().text();
    ASSERT_EQ((*file)->bytes().size(), static_cast<size_t>(size));
    EXPECT_EQ(std::memcmp((*file)->bytes().data() + size - 3, "end", 3), 0);
    auto refused = MappedFile::open(pattern, 100, "model_bytes");
    ASSERT_FALSE(refused);
    EXPECT_HAS(refused.error().message, "limit model_bytes");
  }
  ::unlink(pattern.c_str());
  EXPECT_HAS(MappedFile::open("/nonexistent/model.onnx", 1, "").error().message, "/nonexistent/model.onnx");
  EXPECT_FALSE(MappedFile::open("/tmp", 1, ""));
}

}  // namespace
}  // namespace tenon::onnx
