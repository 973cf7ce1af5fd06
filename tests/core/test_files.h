// Files for tests: a folder that vanishes with the test, and the bytes of IDX, NPY, gzip and zip, written here from the
// formats' descriptions, independently of the readers.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <zlib.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace traind::core {

class TemporaryFolder {
 public:
  enum class Place { kDisk, kMemory };
  // In memory, where there is such a place, fsync costs nothing: for tests that call it thousands of times.
  explicit TemporaryFolder(Place place = Place::kDisk) {
    const bool memory = place == Place::kMemory && std::filesystem::is_directory("/dev/shm");
    const std::filesystem::path parent = memory ? "/dev/shm" : std::filesystem::temp_directory_path();
    std::string name = (parent / "traind-test-XXXXXX").string();
    if (mkdtemp(name.data()) != nullptr) path_ = name;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline void WriteBytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}
inline std::string ReadBytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

template <class T>
std::string RawBytes(const std::vector<T>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

inline std::string LittleEndian(uint64_t value, int width) {
  std::string bytes;
  for (int i = 0; i < width; ++i) bytes.push_back(i < 8 ? static_cast<char>(value >> (8 * i)) : 0);
  return bytes;
}

// A version 1 NPY file with this dictionary text.
inline std::string NpyWithHeader(const std::string& dictionary, const std::string& data) {
  return std::string("\x93NUMPY\x01\x00", 8) + LittleEndian(dictionary.size(), 2) + dictionary + data;
}
// `descr` such as "<f4", `shape` such as "(2, 3)".
inline std::string Npy(const std::string& descr, const std::string& shape, const std::string& data) {
  return NpyWithHeader("{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }\n", data);
}

inline std::string Idx(int type, const std::vector<uint32_t>& shape, const std::string& data) {
  std::string bytes = {0, 0, static_cast<char>(type), static_cast<char>(shape.size())};
  for (uint32_t d : shape) {
    for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(d >> shift));
  }
  return bytes + data;
}

// window_bits as for deflateInit2: 31 makes gzip, -15 a bare deflate stream.
inline std::string Deflate(const std::string& data, int window_bits) {
  z_stream stream = {};
  if (deflateInit2(&stream, 6, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY) != Z_OK) return "";
  std::string packed(deflateBound(&stream, data.size()) + 32, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  stream.avail_in = static_cast<uInt>(data.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}
inline std::string Gzip(const std::string& data) { return Deflate(data, 31); }

struct ZipMember {
  std::string name = {};
  std::string data = {};
  bool deflated = true;
  int method = -1;    // Written instead of the true one when >= 0.
  int64_t size = -1;  // Announced instead of the true one when >= 0.
  bool wrong_crc = false;
  int flags = 0;
};

// A zip file; with `zip64` every size and offset stands in a zip64 field.
inline std::string Zip(const std::vector<ZipMember>& members, bool zip64 = false) {
  std::string file;
  std::string directory;
  for (const ZipMember& member : members) {
    const std::string packed = member.deflated ? Deflate(member.data, -15) : member.data;
    const uint32_t crc =
        static_cast<uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(member.data.data()), member.data.size())) ^
        (member.wrong_crc ? 1u : 0u);
    const int method = member.method >= 0 ? member.method : member.deflated ? 8 : 0;
    const uint64_t size = member.size >= 0 ? static_cast<uint64_t>(member.size) : member.data.size();
    const uint64_t offset = file.size();
    const std::string middle = LittleEndian(static_cast<uint64_t>(member.flags), 2) +
                               LittleEndian(static_cast<uint64_t>(method), 2) + LittleEndian(0, 4) +
                               LittleEndian(crc, 4);
    const std::string sizes = zip64 ? LittleEndian(0xffffffff, 4) + LittleEndian(0xffffffff, 4)
                                    : LittleEndian(packed.size(), 4) + LittleEndian(size, 4);
    const std::string extra = zip64 ? LittleEndian(1, 2) + LittleEndian(24, 2) + LittleEndian(size, 8) +
                                          LittleEndian(packed.size(), 8) + LittleEndian(offset, 8)
                                    : "";
    file += LittleEndian(0x04034b50, 4) + LittleEndian(20, 2) + middle + sizes + LittleEndian(member.name.size(), 2) +
            LittleEndian(0, 2) + member.name + packed;
    directory += LittleEndian(0x02014b50, 4) + LittleEndian(20, 2) + LittleEndian(20, 2) + middle + sizes +
                 LittleEndian(member.name.size(), 2) + LittleEndian(extra.size(), 2) + LittleEndian(0, 10) +
                 LittleEndian(zip64 ? 0xffffffff : offset, 4) + member.name + extra;
  }
  const uint64_t start = file.size();
  file += directory;
  if (zip64) {
    const uint64_t end64 = file.size();
    file += LittleEndian(0x06064b50, 4) + LittleEndian(44, 8) + LittleEndian(45, 4) + LittleEndian(0, 8) +
            LittleEndian(members.size(), 8) + LittleEndian(members.size(), 8) + LittleEndian(directory.size(), 8) +
            LittleEndian(start, 8);
    file += LittleEndian(0x07064b50, 4) + LittleEndian(0, 4) + LittleEndian(end64, 8) + LittleEndian(1, 4);
  }
  file += LittleEndian(0x06054b50, 4) + LittleEndian(0, 4) + LittleEndian(zip64 ? 0xffff : members.size(), 2) +
          LittleEndian(zip64 ? 0xffff : members.size(), 2) + LittleEndian(zip64 ? 0xffffffff : directory.size(), 4) +
          LittleEndian(zip64 ? 0xffffffff : start, 4) + LittleEndian(0, 2);
  return file;
}

}  // namespace traind::core
