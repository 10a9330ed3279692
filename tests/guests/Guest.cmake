# wasmoor_guest(NAME SOURCE [DEBUG] [FLAGS flag...]): compiles one program for WASI 0.1 into build/guests/NAME.wasm, by the language
# that SOURCE is in: .c and .cc with Debian's clang and wasi-libc, .rs and .go with what tools/fetch-rust and
# tools/fetch-go find, .wat with wabt. The names of functions stay in, for backtraces;
# DEBUG keeps the DWARF of C and C++ as well.
# wasmoor_component(NAME WORLD): a component from component/WORLD/, whose bindings wit-bindgen makes from
# the wit there. wasmoor_adapted(NAME GUEST): the guest GUEST turned into a component by the WASI 0.1 adapter.
set(WASMOOR_GUESTS_DIR ${CMAKE_BINARY_DIR}/guests)
file(MAKE_DIRECTORY ${WASMOOR_GUESTS_DIR})
set(with_tool ${CMAKE_CURRENT_LIST_DIR}/with-tool)
set(fetch ${CMAKE_SOURCE_DIR}/tools)
set(guest_c --target=wasm32-wasi -O2 -Wall -Wextra -Werror)
find_program(WASMOOR_GUEST_CC NAMES clang clang-14 REQUIRED)
find_program(WASMOOR_GUEST_CXX NAMES clang++ clang++-14 REQUIRED)
find_program(WASMOOR_WAT2WASM NAMES wat2wasm REQUIRED)
add_custom_target(guests ALL)

# Makes NAME.wasm by COMMAND, as part of the target guests.
function(wasmoor_guest_file name)
  cmake_parse_arguments(FILE "" "" "COMMAND;DEPENDS" ${ARGN})
  set(wasm ${WASMOOR_GUESTS_DIR}/${name}.wasm)
  add_custom_command(OUTPUT ${wasm} COMMAND ${FILE_COMMAND} DEPENDS ${FILE_DEPENDS}
                     WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
                     COMMENT "Building guest ${name}.wasm" VERBATIM)
  add_custom_target(guest_${name} DEPENDS ${wasm})
  add_dependencies(guests guest_${name})
endfunction()

function(wasmoor_guest name source)
  cmake_parse_arguments(GUEST "DEBUG" "" "FLAGS" ${ARGN})
  set(debug -Wl,--strip-debug)
  if(GUEST_DEBUG)
    set(debug -g)
  endif()
  get_filename_component(extension ${source} LAST_EXT)
  set(file ${CMAKE_CURRENT_SOURCE_DIR}/${source})
  set(wasm ${WASMOOR_GUESTS_DIR}/${name}.wasm)
  set(depends ${file})
  if(extension STREQUAL ".c")
    set(command ${WASMOOR_GUEST_CC} ${guest_c} ${debug} ${GUEST_FLAGS} ${file} -o ${wasm})
  elseif(extension STREQUAL ".cc")
    set(command ${WASMOOR_GUEST_CXX} ${guest_c} ${debug} -std=c++20 -fno-exceptions ${GUEST_FLAGS} ${file} -o ${wasm})
  elseif(extension STREQUAL ".wat")
    set(command ${WASMOOR_WAT2WASM} --debug-names ${GUEST_FLAGS} ${file} -o ${wasm})
  elseif(extension STREQUAL ".rs")
    list(APPEND depends ${fetch}/fetch-rust)
    set(command ${with_tool} fetch-rust ${wasm} "$tool -O -C strip=debuginfo --edition 2021 -o '${wasm}' '${file}'")
  elseif(extension STREQUAL ".go")
    get_filename_component(folder ${file} DIRECTORY)
    list(APPEND depends ${folder}/go.mod ${fetch}/fetch-go)
    set(command ${with_tool} fetch-go ${wasm}
        "cd '${folder}' && GOOS=wasip1 GOARCH=wasm GOTOOLCHAIN=local GOWORK=off GOFLAGS= \"$tool\" build -trimpath -buildvcs=false '-ldflags=-s -w' -o '${wasm}' .")
  else()
    message(FATAL_ERROR "guest ${name}: nothing compiles '${source}'")
  endif()
  wasmoor_guest_file(${name} COMMAND ${command} DEPENDS ${depends})
endfunction()

function(wasmoor_component name world)
  set(folder ${CMAKE_CURRENT_SOURCE_DIR}/component/${world})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${folder}/*.c ${folder}/*.wit)
  set(wasm ${WASMOOR_GUESTS_DIR}/${name}.wasm)
  set(build ${CMAKE_CURRENT_SOURCE_DIR}/build-component)
  wasmoor_guest_file(${name}
    COMMAND ${with_tool} fetch-component-tools ${wasm}
      "CC='${WASMOOR_GUEST_CC}' '${build}' '${folder}' '${CMAKE_CURRENT_BINARY_DIR}/${world}' '${wasm}'"
    DEPENDS ${sources} ${build} ${fetch}/fetch-component-tools)
endfunction()

function(wasmoor_adapted name guest)
  set(wasm ${WASMOOR_GUESTS_DIR}/${name}.wasm)
  set(core ${WASMOOR_GUESTS_DIR}/${guest}.wasm)
  wasmoor_guest_file(${name}
    COMMAND ${with_tool} fetch-component-tools ${wasm}
      "\"$tool/bin/wasm-tools\" component new '${core}' --adapt \"wasi_snapshot_preview1=$tool/adapter.wasm\" -o '${wasm}'"
    DEPENDS ${core} ${fetch}/fetch-component-tools)
endfunction()
