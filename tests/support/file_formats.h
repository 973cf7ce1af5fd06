// The bytes of IDX, NPY, gzip and zip files, written here from the formats' descriptions, independently of the readers.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "tests/support/bytes.h"

namespace traind {

// A version 1 NPY file with this dictionary text.
inline std::string NpyWithHeader(const std::string& dictionary, const std::string& data) {
  return std::string("\x93NUMPY\x01\x00", 8) + LittleEndian(dictionary.size(), 2) + dictionary + data;
}
// `descr` such as "<f4", `shape` such as "(2, 3)".
inline std::string Npy(const std::string& descr, const std::string& shape, const std::string& data) {
  return NpyWithHeader("{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }\n", data);
}

inline std::string NpyType(float) { return "<f4"; }
inline std::string NpyType(int32_t) { return "<i4"; }
inline std::string NpyType(int64_t) { return "<i8"; }
inline std::string NpyType(uint8_t) { return "|u1"; }

// The values in this shape, row-major.
template <class T>
std::string NpyOf(const std::vector<T>& values, const std::vector<int64_t>& shape) {
  std::string dims;
  for (const int64_t d : shape) dims += std::to_string(d) + ",";
  return Npy(NpyType(T()), "(" + dims + ")", RawBytes(values));
}
template <class T>
std::string NpyOf(const std::vector<T>& values) {
  return NpyOf(values, {static_cast<int64_t>(values.size())});
}

inline std::string Idx(int type, const std::vector<uint32_t>& shape, const std::string& data) {
  std::string bytes = {0, 0, static_cast<char>(type), static_cast<char>(shape.size())};
  for (const uint32_t d : shape) bytes += BigEndian(d);
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

inline uint32_t Crc32(const std::string& data) {
  return static_cast<uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(data.data()), data.size()));
}
// Eight hex digits.
inline std::string Crc32Text(const std::string& data) {
  char text[9];
  std::snprintf(text, sizeof(text), "%08x", Crc32(data));
  return text;
}

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
    const uint32_t crc = Crc32(member.data) ^ (member.wrong_crc ? 1u : 0u);
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

}  // namespace traind
