# Turns a binary file into a C++ source: cmake -DINPUT=file -DOUTPUT=file.cc -P embed.cmake
file(READ ${INPUT} bytes HEX)
string(LENGTH "${bytes}" size)
math(EXPR size "${size} / 2")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
file(WRITE ${OUTPUT} "extern const unsigned char kDescriptorSet[];\nextern const unsigned long kDescriptorSetSize;\n"
  "const unsigned char kDescriptorSet[] = {${bytes}};\nconst unsigned long kDescriptorSetSize = ${size};\n")
