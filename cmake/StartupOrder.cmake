# wasmoor_order_startup(TARGET RUNS run...): links TARGET so that the functions its start needs lie
# together. Each run is a list of arguments, separated by "|". TARGET is linked once without an order,
# traced (tools/startup_order says how and why), and linked again. Needs lld, and x86-64; elsewhere it
# does nothing.
function(wasmoor_order_startup target)
  cmake_parse_arguments(ORDER "" "" "RUNS" ${ARGN})
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
  set(cache ${CMAKE_CURRENT_BINARY_DIR}/${target}.order-cache)
  set(commands "")
  foreach(run IN LISTS ORDER_RUNS)
    string(REPLACE "|" ";" arguments "${run}")
    list(APPEND commands -- $<TARGET_FILE:${target}_unordered> ${arguments})
  endforeach()
  add_custom_command(
    OUTPUT ${order}
    COMMAND ${CMAKE_COMMAND} -E env WASMOOR_CACHE_DIR=${cache} $<TARGET_FILE:startup_order> ${order} ${commands}
    COMMAND ${CMAKE_COMMAND} -E rm -rf ${cache}
    DEPENDS ${target}_unordered startup_order ${CMAKE_SOURCE_DIR}/tools/startup_order/startup.wat
    COMMENT "Finding out what the start of ${target} needs"
    VERBATIM)
  add_custom_target(${target}_order DEPENDS ${order})
  add_dependencies(${target} ${target}_order)
  set_property(TARGET ${target} APPEND PROPERTY LINK_DEPENDS ${order})
  target_link_options(${target} PRIVATE -Wl,--symbol-ordering-file=${order}
    -Wl,--no-warn-symbol-ordering)
endfunction()
