// What ThreadSanitizer leaves out in the tests, by its own format.
extern "C" const char* __tsan_default_suppressions();
const char* __tsan_default_suppressions() {
  return R"(
# gRPC's libraries are not instrumented: ThreadSanitizer does not see their locks and reports memory that they hand from
# one thread to another. Only reports with one of their frames are left out; locks and state of our own stay in sight.
race:libgrpc.so
race:libgrpc++.so
race:grpc::internal::
race:grpc::ServerWriteReactor
race:grpc::ServerReadReactor
race:grpc::ServerUnaryReactor
race:libupb.so
race:libabsl_status.so
# Libspdlog formats under a lock of its own, which is not seen, with templates that are compiled here.
race:spdlog::details::full_formatter

# What Debian's libraries pass to the functions that ThreadSanitizer intercepts (operator new, memcpy, pthread_mutex_lock) is
# memory that they hand on by atomics of their own, which it does not see. Accesses from their code are left out; the
# order that their locks and threads make is kept. Every library of Debian's that a test program loads, as `ldd` lists
# them, but the C and C++ ones; each line must match one library.
called_from_lib:libabsl_bad_optional_access.so
called_from_lib:libabsl_bad_variant_access.so
called_from_lib:libabsl_base.so
called_from_lib:libabsl_city.so
called_from_lib:libabsl_civil_time.so
called_from_lib:libabsl_cord.so
called_from_lib:libabsl_cord_internal.so
called_from_lib:libabsl_cordz_functions.so
called_from_lib:libabsl_cordz_handle.so
called_from_lib:libabsl_cordz_info.so
called_from_lib:libabsl_debugging_internal.so
called_from_lib:libabsl_demangle_internal.so
called_from_lib:libabsl_exponential_biased.so
called_from_lib:libabsl_graphcycles_internal.so
called_from_lib:libabsl_hash.so
called_from_lib:libabsl_hashtablez_sampler.so
called_from_lib:libabsl_int128.so
called_from_lib:libabsl_log_severity.so
called_from_lib:libabsl_low_level_hash.so
called_from_lib:libabsl_malloc_internal.so
called_from_lib:libabsl_random_distributions.so
called_from_lib:libabsl_random_internal_platform.so
called_from_lib:libabsl_random_internal_pool_urbg.so
called_from_lib:libabsl_random_internal_randen.so
called_from_lib:libabsl_random_internal_randen_hwaes.so
called_from_lib:libabsl_random_internal_randen_hwaes_impl.so
called_from_lib:libabsl_random_internal_randen_slow.so
called_from_lib:libabsl_random_internal_seed_material.so
called_from_lib:libabsl_random_seed_gen_exception.so
called_from_lib:libabsl_random_seed_sequences.so
called_from_lib:libabsl_raw_hash_set.so
called_from_lib:libabsl_raw_logging_internal.so
called_from_lib:libabsl_spinlock_wait.so
called_from_lib:libabsl_stacktrace.so
called_from_lib:libabsl_status.so
called_from_lib:libabsl_statusor.so
called_from_lib:libabsl_str_format_internal.so
called_from_lib:libabsl_strerror.so
called_from_lib:libabsl_strings.so
called_from_lib:libabsl_strings_internal.so
called_from_lib:libabsl_symbolize.so
called_from_lib:libabsl_synchronization.so
called_from_lib:libabsl_throw_delegate.so
called_from_lib:libabsl_time.so
called_from_lib:libabsl_time_zone.so
called_from_lib:libaddress_sorting.so
called_from_lib:libcares.so
called_from_lib:libcrypto.so
called_from_lib:libfmt.so
called_from_lib:libgpr.so
called_from_lib:libgrpc++.so
called_from_lib:libgrpc++_reflection.so
called_from_lib:libgrpc.so
called_from_lib:libprotobuf.so
called_from_lib:libre2.so
called_from_lib:libspdlog.so
called_from_lib:libsqlite3.so
called_from_lib:libssl.so
called_from_lib:libupb.so
# The locks of protobuf's maps are taken by its library, where they are not seen, and given back by its headers, or the other way round.
mutex:google::protobuf::internal::MapField
)";
}
