# wasmtime, as the imported static library wasmoor_engine_wasmtime. It is built by cargo once per machine into a
# cache folder outside the tree (tools/build-engine says where) and found there by every clone.
execute_process(
  COMMAND ${CMAKE_SOURCE_DIR}/tools/build-engine
  OUTPUT_VARIABLE WASMTIME_DIR OUTPUT_STRIP_TRAILING_WHITESPACE
  COMMAND_ERROR_IS_FATAL ANY)
file(GLOB WASMTIME_SOURCES ${CMAKE_SOURCE_DIR}/third_party/wasmtime/Cargo.*
     ${CMAKE_SOURCE_DIR}/third_party/wasmtime/src/*.rs)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${WASMTIME_SOURCES})

add_library(wasmoor_engine_wasmtime STATIC IMPORTED GLOBAL)
set_target_properties(wasmoor_engine_wasmtime PROPERTIES
  IMPORTED_LOCATION ${WASMTIME_DIR}/lib/libwasmoor_wasmtime.a
  INTERFACE_LINK_LIBRARIES "pthread;dl;m")
# SYSTEM: its headers are held to its own standard, not to ours.
target_include_directories(wasmoor_engine_wasmtime SYSTEM INTERFACE ${WASMTIME_DIR}/include)
