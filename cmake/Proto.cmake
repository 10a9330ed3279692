# wasmoor_proto(NAME FILES x.proto... [USES target...] [SERVICES]): the static library wasmoor_proto_NAME of the messages
# in proto/, for libprotobuf-lite: #include "proto/DIRECTORY/x.pb.h". With SERVICES, instead, what is generated for ttrpc
# from the services of those files (tools/protoc_gen_ttrpc): #include "proto/DIRECTORY/x.ttrpc.h".
#
# A program gets the messages that it uses: each file is an object of its own in the archive, and each function a section.
set(Protobuf_USE_STATIC_LIBS ${WASMOOR_STATIC})
find_package(Protobuf 3.21 REQUIRED)
set(WASMOOR_GENERATED ${CMAKE_BINARY_DIR}/generated)
add_custom_target(generated)  # All of it, for whoever reads the sources and compiles nothing.

# Sets OUT to the sources that protoc makes, as `kind`, of FILES, which are relative to `root`.
function(wasmoor_generate_proto out kind root)
  if(kind STREQUAL "ttrpc")
    set(arguments --plugin=protoc-gen-ttrpc=$<TARGET_FILE:protoc-gen-ttrpc> --ttrpc_out=${WASMOOR_GENERATED})
    set(needs protoc-gen-ttrpc)
    set(suffix ttrpc)
  else()
    set(arguments --cpp_out=lite:${WASMOOR_GENERATED})
    set(needs "")
    set(suffix pb)
  endif()
  set(sources "")
  foreach(file IN LISTS ARGN)
    string(REGEX REPLACE "\\.proto$" ".${suffix}" made ${WASMOOR_GENERATED}/${file})
    add_custom_command(
      OUTPUT ${made}.cc ${made}.h
      COMMAND ${CMAKE_COMMAND} -E make_directory ${WASMOOR_GENERATED}
      COMMAND ${Protobuf_PROTOC_EXECUTABLE} -I ${root} -I ${Protobuf_INCLUDE_DIRS} ${arguments} ${file}
      DEPENDS ${root}/${file} ${needs}
      COMMENT "Generating ${suffix} of ${file}"
      VERBATIM)
    list(APPEND sources ${made}.cc ${made}.h)
  endforeach()
  string(MD5 files "${kind} ${ARGN}")
  add_custom_target(generated_${files} DEPENDS ${sources})
  add_dependencies(generated generated_${files})
  set(${out} ${sources} PARENT_SCOPE)
endfunction()

function(wasmoor_proto name)
  cmake_parse_arguments(PROTO "SERVICES" "ROOT" "FILES;USES" ${ARGN})
  if(NOT PROTO_ROOT)
    set(PROTO_ROOT ${CMAKE_SOURCE_DIR})
  endif()
  set(kind messages)
  if(PROTO_SERVICES)
    set(kind ttrpc)
  endif()
  wasmoor_generate_proto(sources ${kind} ${PROTO_ROOT} ${PROTO_FILES})
  add_library(wasmoor_proto_${name} STATIC ${sources})
  # Nobody here writes that code, and it has warnings.
  target_compile_options(wasmoor_proto_${name} PRIVATE -w)
  # Before the system's own headers of the well-known types, which are for the whole library.
  target_include_directories(wasmoor_proto_${name} SYSTEM PUBLIC ${WASMOOR_GENERATED})
  target_link_libraries(wasmoor_proto_${name} PUBLIC protobuf::libprotobuf-lite ${PROTO_USES})
endfunction()
