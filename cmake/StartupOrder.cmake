# wasmoor_order_startup(TARGET [BUNDLE program...] RUNS run...): links TARGET so that the functions its start
# needs lie together. Each run is a list of arguments, separated by "|". TARGET is linked once without an order,
# traced (tools/startup_order says how and why), and linked again. Needs lld, and x86-64; elsewhere it
# does nothing.
#
# @WORK@ in a run is a folder that is there meanwhile. With BUNDLE it has a bundle for each of those programs, bundle0
# and so on, with the file PROGRAM of tools/startup_order, or the untraced TARGET itself if it is TARGET's name, as
# what runs in it. Where containers cannot be made, only the part of a run is ordered that comes before its failure.
function(wasmoor_order_startup target)
  cmake_parse_arguments(ORDER "" "" "BUNDLE;RUNS" ${ARGN})
  if(NOT WASMOOR_LLD OR NOT WASMOOR_STATIC OR WASMOOR_SANITIZE OR NOT CMAKE_BUILD_TYPE STREQUAL "Release"
     OR NOT CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
    return()
  endif()
  if(NOT TARGET startup_order)
    add_executable(startup_order ${CMAKE_SOURCE_DIR}/tools/startup_order/startup_order.cc)
  endif()

  get_target_property(sources ${target} SOURCES)
  get_target_property(libraries ${target} LINK_LIBRARIES)
  get_target_property(includes ${target} INCLUDE_DIRECTORIES)
  add_library(${target}_objects OBJECT ${sources})
  target_include_directories(${target}_objects PRIVATE ${includes})
  target_link_libraries(${target}_objects PRIVATE ${libraries})
  set_target_properties(${target} PROPERTIES SOURCES $<TARGET_OBJECTS:${target}_objects>)
  add_executable(${target}_unordered $<TARGET_OBJECTS:${target}_objects>)
  target_link_libraries(${target}_unordered PRIVATE ${libraries})

  set(order ${CMAKE_CURRENT_BINARY_DIR}/${target}.order)
  set(work ${CMAKE_CURRENT_BINARY_DIR}/${target}.order-work)
  set(prepare "")
  foreach(program IN LISTS ORDER_BUNDLE)
    list(FIND ORDER_BUNDLE ${program} number)
    set(bundle ${work}/bundle${number})
    set(file ${CMAKE_SOURCE_DIR}/tools/startup_order/${program})
    if(program STREQUAL target)
      set(file $<TARGET_FILE:${target}_unordered>)
    endif()
    set(WASMOOR_STARTUP_PROGRAM ${program})
    configure_file(${CMAKE_SOURCE_DIR}/tools/startup_order/config.json.in
      ${CMAKE_CURRENT_BINARY_DIR}/${target}.bundle${number}.json @ONLY)
    list(APPEND prepare
      COMMAND ${CMAKE_COMMAND} -E make_directory ${bundle}/rootfs
      COMMAND ${CMAKE_COMMAND} -E copy ${CMAKE_CURRENT_BINARY_DIR}/${target}.bundle${number}.json ${bundle}/config.json
      COMMAND ${CMAKE_COMMAND} -E copy ${file} ${bundle}/rootfs/${program})
  endforeach()
  set(commands "")
  foreach(run IN LISTS ORDER_RUNS)
    string(REPLACE "@WORK@" "${work}" run "${run}")
    string(REPLACE "|" ";" arguments "${run}")
    list(APPEND commands -- $<TARGET_FILE:${target}_unordered> ${arguments})
  endforeach()
  add_custom_command(
    OUTPUT ${order}
    COMMAND ${CMAKE_COMMAND} -E rm -rf ${work}
    ${prepare}
    COMMAND ${CMAKE_COMMAND} -E env WASMOOR_CACHE_DIR=${work}/cache $<TARGET_FILE:startup_order> ${order} ${commands}
    COMMAND ${CMAKE_COMMAND} -E rm -rf ${work}
    DEPENDS ${target}_unordered startup_order ${CMAKE_SOURCE_DIR}/tools/startup_order/startup.wat
      ${CMAKE_SOURCE_DIR}/tools/startup_order/config.json.in
    COMMENT "Finding out what the start of ${target} needs"
    VERBATIM)
  add_custom_target(${target}_order DEPENDS ${order})
  add_dependencies(${target} ${target}_order)
  set_property(TARGET ${target} APPEND PROPERTY LINK_DEPENDS ${order})
  target_link_options(${target} PRIVATE -Wl,--symbol-ordering-file=${order}
    -Wl,--no-warn-symbol-ordering)
endfunction()

# wasmoor_share_startup_order(TARGET OTHER): links TARGET in the order that OTHER's runs have shown, for what the two have in
# common.
function(wasmoor_share_startup_order target other)
  if(NOT TARGET ${other}_order)
    return()
  endif()
  set(order ${CMAKE_CURRENT_BINARY_DIR}/${other}.order)
  add_dependencies(${target} ${other}_order)
  set_property(TARGET ${target} APPEND PROPERTY LINK_DEPENDS ${order})
  target_link_options(${target} PRIVATE -Wl,--symbol-ordering-file=${order}
    -Wl,--no-warn-symbol-ordering)
endfunction()
