# find_package(traind): the client library, traind::client.
include(CMakeFindDependencyMacro)
find_dependency(Threads)
find_dependency(ZLIB)
find_dependency(absl)
find_dependency(Protobuf)
find_dependency(gRPC)
include(${CMAKE_CURRENT_LIST_DIR}/traindTargets.cmake)
