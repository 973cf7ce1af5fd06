// What LeakSanitizer leaves out in the tests, by its own format.
extern "C" const char* __lsan_default_suppressions();
const char* __lsan_default_suppressions() {
  return R"(
# Debian 12's c-ares 1.18 loses the name of `localhost` at each lookup where /etc/hosts does not have it (mended in 1.19).
leak:libcares.so
)";
}
