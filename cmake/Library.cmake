# libwasmoor: all rooms of the library in one archive, its headers, a CMake package and a pkg-config
# file. The engine is an archive of its own beside it.
set(rooms wasmoor_base wasmoor_os wasmoor_hostcall wasmoor_wasi wasmoor_wasm wasmoor_wasm_cache
    wasmoor_wasm_wasmtime wasmoor_program)
set(objects "")
foreach(room IN LISTS rooms)
  list(APPEND objects $<TARGET_OBJECTS:${room}>)
endforeach()
add_library(wasmoor_library STATIC ${objects})
set_target_properties(wasmoor_library PROPERTIES OUTPUT_NAME wasmoor LINKER_LANGUAGE CXX)

include(CMakePackageConfigHelpers)
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/wasmoor)
configure_package_config_file(${CMAKE_SOURCE_DIR}/cmake/wasmoorConfig.cmake.in
  ${CMAKE_BINARY_DIR}/wasmoorConfig.cmake INSTALL_DESTINATION ${package}
  PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/wasmoorConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
configure_file(${CMAKE_SOURCE_DIR}/cmake/wasmoor.pc.in ${CMAKE_BINARY_DIR}/wasmoor.pc @ONLY)

install(TARGETS wasmoor_library ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
get_target_property(engine wasmoor_engine_wasmtime IMPORTED_LOCATION)
install(FILES ${engine} DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/wasmoor DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES ${CMAKE_BINARY_DIR}/wasmoorConfig.cmake ${CMAKE_BINARY_DIR}/wasmoorConfigVersion.cmake
        DESTINATION ${package})
install(FILES ${CMAKE_BINARY_DIR}/wasmoor.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
