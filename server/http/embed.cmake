# Turns the files below a folder into a C++ source that defines EmbeddedPages (server/http/pages.h), each with what gzip
# makes of it and a hash: cmake -DFOLDER=folder -DOUTPUT=file.cc -P embed.cmake. An empty folder is no error.
file(GLOB_RECURSE files RELATIVE ${FOLDER} ${FOLDER}/*)
list(SORT files)

# bytes_of(VARIABLE FILE): as an initializer of an array, and VARIABLE_size.
function(bytes_of variable file)
  file(READ ${file} bytes HEX)
  string(LENGTH "${bytes}" size)
  math(EXPR size "${size} / 2")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
  set(${variable} "${bytes}" PARENT_SCOPE)
  set(${variable}_size ${size} PARENT_SCOPE)
endfunction()

set(arrays "")
set(list "")
set(number 0)
foreach(file ${files})
  execute_process(COMMAND gzip -9nc ${FOLDER}/${file} OUTPUT_FILE ${OUTPUT}.gz COMMAND_ERROR_IS_FATAL ANY)
  bytes_of(plain ${FOLDER}/${file})
  bytes_of(packed ${OUTPUT}.gz)
  file(REMOVE ${OUTPUT}.gz)
  file(SHA256 ${FOLDER}/${file} hash)
  string(SUBSTRING ${hash} 0 32 hash)
  string(APPEND arrays "const unsigned char kPlain${number}[] = {${plain}0};\n"
    "const unsigned char kPacked${number}[] = {${packed}0};\n")
  string(APPEND list "      {\"/${file}\", Text(kPlain${number}, ${plain_size}), Text(kPacked${number}, ${packed_size}), "
    "\"${hash}\"},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE ${OUTPUT} "#include \"server/http/pages.h\"\n\nnamespace traind::server {\nnamespace {\n\n${arrays}"
  "[[maybe_unused]] absl::string_view Text(const unsigned char* bytes, size_t size) {\n"
  "  return {reinterpret_cast<const char*>(bytes), size};\n}\n\n}  // namespace\n\n"
  "std::vector<PageFile> EmbeddedPages() {\n  return {\n${list}  };\n}\n\n}  // namespace traind::server\n")
