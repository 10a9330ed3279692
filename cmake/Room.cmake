# wasmoor_room(NAME [LIBRARIES lib...]): the static library and the test program of one room.
#
# The sources are src/NAME/*.cc, without x_test.cc (into the test program NAME_test), x_for_test.cc (into the library
# wasmoor_NAME_for_test, which that has, and tests of other rooms may have) and x_bench.cc (into NAME_bench). The rooms it may use come from cmake/rooms.txt; a room that is not in the table does not configure.
file(STRINGS ${CMAKE_SOURCE_DIR}/cmake/rooms.txt WASMOOR_ROOM_LINES REGEX "^[a-z]")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/cmake/rooms.txt)
set_property(GLOBAL PROPERTY WASMOOR_ROOMS "")

# Sets OUT to the targets of the rooms that NAME may use.
function(wasmoor_room_uses name out)
  foreach(line IN LISTS WASMOOR_ROOM_LINES)
    if(line MATCHES "^${name}:(.*)$")
      string(STRIP "${CMAKE_MATCH_1}" uses)
      string(REPLACE " " ";" uses "${uses}")
      list(TRANSFORM uses REPLACE "/" "_")
      list(TRANSFORM uses PREPEND "wasmoor_")
      set(${out} ${uses} PARENT_SCOPE)
      return()
    endif()
  endforeach()
  message(FATAL_ERROR "room '${name}' is not in cmake/rooms.txt: add it there, with what it may use")
endfunction()

function(wasmoor_room name)
  cmake_parse_arguments(ROOM "" "" "LIBRARIES;TEST_LIBRARIES" ${ARGN})
  wasmoor_room_uses(${name} uses)
  string(REPLACE "/" "_" id ${name})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*.cc)
  set(tests ${sources})
  set(helpers ${sources})
  set(benches ${sources})
  list(FILTER sources EXCLUDE REGEX "_(test|bench)\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER tests EXCLUDE REGEX "_for_test\\.cc$")
  list(FILTER helpers INCLUDE REGEX "_for_test\\.cc$")
  list(FILTER benches INCLUDE REGEX "_bench\\.cc$")

  add_library(wasmoor_${id} STATIC ${sources})
  target_include_directories(wasmoor_${id} PRIVATE ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(wasmoor_${id} PUBLIC wasmoor_options ${uses} ${ROOM_LIBRARIES})
  set_property(GLOBAL APPEND PROPERTY WASMOOR_ROOMS wasmoor_${id})

  if(helpers AND WASMOOR_TESTS)
    add_library(wasmoor_${id}_for_test STATIC EXCLUDE_FROM_ALL ${helpers})
    target_include_directories(wasmoor_${id}_for_test PRIVATE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/tests)
    target_link_libraries(wasmoor_${id}_for_test PUBLIC wasmoor_${id} GTest::gmock)
    list(APPEND ROOM_TEST_LIBRARIES wasmoor_${id}_for_test)
  endif()
  if(tests AND WASMOOR_TESTS)
    wasmoor_test(${id}_test SOURCES ${tests} LIBRARIES wasmoor_${id} ${ROOM_TEST_LIBRARIES})
  endif()
  if(benches AND WASMOOR_BENCH)
    wasmoor_bench(${id}_bench SOURCES ${benches} LIBRARIES wasmoor_${id} ${ROOM_TEST_LIBRARIES})
  endif()
endfunction()

# wasmoor_test(NAME SOURCES ... LIBRARIES ... [TIMEOUT seconds]): one gtest program, one ctest entry. It finds the guests
# that tests run in the folder that WASMOOR_GUESTS names.
function(wasmoor_test name)
  cmake_parse_arguments(TEST "" "TIMEOUT" "SOURCES;LIBRARIES" ${ARGN})
  if(NOT TEST_TIMEOUT)
    set(TEST_TIMEOUT 300)
  endif()
  add_executable(${name} ${TEST_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/tests)
  target_link_libraries(${name} PRIVATE ${TEST_LIBRARIES} GTest::gmock GTest::gtest_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${TEST_TIMEOUT} ENVIRONMENT
    "WASMOOR_GUESTS=${CMAKE_BINARY_DIR}/guests;WASMOOR_BIN=${CMAKE_BINARY_DIR}/bin")
endfunction()

# wasmoor_bench(NAME SOURCES ... LIBRARIES ...): one google-benchmark program, in build/bench, where tests/bench/run
# looks for it.
function(wasmoor_bench name)
  cmake_parse_arguments(BENCH "" "" "SOURCES;LIBRARIES" ${ARGN})
  add_executable(${name} ${BENCH_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/tests)
  target_link_libraries(${name} PRIVATE ${BENCH_LIBRARIES} benchmark::benchmark_main)
  # Debian has google-benchmark as a shared library only.
  set_target_properties(${name} PROPERTIES WASMOOR_DYNAMIC ON
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bench)
endfunction()

# wasmoor_executable(NAME SOURCES ... LIBRARIES ...): an executable of the product, in build/bin.
function(wasmoor_executable name)
  cmake_parse_arguments(EXE "" "" "SOURCES;LIBRARIES" ${ARGN})
  add_executable(${name} ${EXE_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(${name} PRIVATE ${EXE_LIBRARIES})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
  if(CMAKE_BUILD_TYPE STREQUAL "Release")
    target_link_options(${name} PRIVATE -s)
  endif()
  install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endfunction()
