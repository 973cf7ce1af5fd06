# Installs BUILD into a fresh folder, builds the program of this folder against what is there, and runs it.
#
#   cmake -DBUILD=build/release -P tests/install/test.cmake
function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
endfunction()

set(work ${BUILD}/Testing/install)
set(prefix ${work}/prefix)
file(REMOVE_RECURSE ${work})
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${prefix})
foreach(file bin/traind bin/traind-worker bin/trainctl include/traind/client/client.h include/traind/traind/v1/job.pb.h
             share/traind/proto/traind/v1/job.proto share/traind/proto/traind/rpc/status.proto
             share/traind/descriptors.pb)
  if(NOT EXISTS ${prefix}/${file})
    message(FATAL_ERROR "${file} was not installed")
  endif()
endforeach()

if(EXISTS ${prefix}/include/traind/tests)
  message(FATAL_ERROR "headers of tests were installed")
endif()

run(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR} -B ${work}/consumer -DCMAKE_PREFIX_PATH=${prefix})
run(${CMAKE_COMMAND} --build ${work}/consumer)
execute_process(COMMAND ${work}/consumer/consumer OUTPUT_VARIABLE output COMMAND_ERROR_IS_FATAL ANY)
if(NOT output STREQUAL "steps 17\n")
  message(FATAL_ERROR "The consumer said: ${output}")
endif()
