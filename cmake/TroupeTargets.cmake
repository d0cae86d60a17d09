# What every target of the project shares: packages, warnings, sanitizers, the compiler cache and
# one precompiled header; and the two helpers that declare a library and a test in a few words.

find_package(Threads REQUIRED)
find_package(Protobuf REQUIRED)
find_package(gRPC CONFIG REQUIRED)
find_package(absl CONFIG REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(CURL REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET GLOBAL libzstd)
pkg_check_modules(SIMDJSON REQUIRED IMPORTED_TARGET GLOBAL simdjson)
# Its macro would be that of all files, which share a precompiled header: the one that needs it has it.
set_property(TARGET PkgConfig::SIMDJSON PROPERTY INTERFACE_COMPILE_OPTIONS)
pkg_check_modules(RE2 REQUIRED IMPORTED_TARGET GLOBAL re2)

find_program(TROUPE_CCACHE ccache)
if(TROUPE_CCACHE)
  # The sloppiness lets the cache see through the precompiled header, the base directory lets two
  # checkouts of the project share it.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${troupe_SOURCE_DIR} CCACHE_NOHASHDIR=1
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      ${TROUPE_CCACHE})
endif()

add_library(troupe_options INTERFACE)
target_compile_definitions(troupe_options INTERFACE ASIO_STANDALONE ASIO_NO_DEPRECATED
                                                    SPDLOG_FMT_EXTERNAL)
target_include_directories(troupe_options INTERFACE ${troupe_SOURCE_DIR})
# Without -pthread everywhere the precompiled header would fit only the targets that use gRPC.
target_compile_features(troupe_options INTERFACE cxx_std_20)
target_compile_options(troupe_options INTERFACE -pthread)
if(PROJECT_IS_TOP_LEVEL)  # what others make of their own code is theirs
  target_compile_options(troupe_options INTERFACE -Wall -Wextra -Werror -Wno-missing-field-initializers)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 reports these inside optimized standard-library and coroutine code that is correct.
  # It says subobject-linkage where it takes a joined file for a header.
  target_compile_options(troupe_options INTERFACE -fpch-preprocess -Wno-subobject-linkage -Wno-maybe-uninitialized
                         -Wno-restrict -Wno-array-bounds -Wno-stringop-overflow
                         -Wno-stringop-overread -Wno-dangling-pointer
                         -Wno-mismatched-new-delete -Wno-free-nonheap-object)
endif()
target_link_libraries(troupe_options INTERFACE Threads::Threads fmt::fmt)
if(TROUPE_SANITIZER)
  add_compile_options(-fsanitize=${TROUPE_SANITIZER} -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=${TROUPE_SANITIZER})
  if(TROUPE_SANITIZER MATCHES thread)
    # Protobuf's maps have another layout under this macro than in the library as it is packaged.
    add_compile_options(-U__SANITIZE_THREAD__)
  endif()
  if(TROUPE_SANITIZER MATCHES thread AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Asio has fences, which the sanitizer does not model and GCC therefore warns of.
    add_compile_options(-Wno-tsan)
  endif()
endif()

# Compiles the sources of a target a few at a time: most of what the compiler does for one of our
# files is templates that its neighbours want too. The files that join them name them from the top of
# the tree, so that checkouts share the compiler cache.
function(troupe_sources name)
  if(NOT TROUPE_JOIN_SOURCES)
    target_sources(${name} PRIVATE ${ARGN})
    return()
  endif()
  file(RELATIVE_PATH folder ${troupe_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
  list(LENGTH ARGN count)
  math(EXPR batches "(${count} + 11) / 12")
  math(EXPR size "(${count} + ${batches} - 1) / ${batches}")
  math(EXPR last "${count} - 1")
  foreach(first RANGE 0 ${last} ${size})
    list(SUBLIST ARGN ${first} ${size} batch)
    list(TRANSFORM batch REPLACE "(.+)" "#include \"${folder}/\\1\"\n")
    string(CONCAT text ${batch})
    set(joined ${CMAKE_CURRENT_BINARY_DIR}/${name}.joined.${first}.cc)
    file(CONFIGURE OUTPUT ${joined} CONTENT "${text}" @ONLY)
    target_sources(${name} PRIVATE ${joined})
  endforeach()
endfunction()

# troupe_library(NAME SOURCES a.cc b.cc DEPS x y): a static library of one room.
function(troupe_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_library(${name} STATIC)
  troupe_sources(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC troupe_options ${ARG_DEPS})
  troupe_precompile(${name})
endfunction()

# troupe_test(NAME SOURCES a_test.cc DEPS x): a GoogleTest binary, each test known to ctest.
function(troupe_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;DEPS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  if(TROUPE_SANITIZER)
    math(EXPR ARG_TIMEOUT "4 * ${ARG_TIMEOUT}")
  endif()
  add_executable(${name})
  troupe_sources(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} GTest::gmock GTest::gtest_main troupe_options)
  target_compile_definitions(${name} PRIVATE TROUPE_SOURCE_DIR="${troupe_SOURCE_DIR}"
                                             TROUPE_BINARY_DIR="${troupe_BINARY_DIR}")
  # Most of a clean build's time is the optimizer's, and what tests spend theirs on is not in them.
  target_compile_options(${name} PRIVATE $<$<CONFIG:Release>:-O0>)
  troupe_precompile_test(${name})
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST PROPERTIES
    TIMEOUT ${ARG_TIMEOUT} ENVIRONMENT TROUPE_TEST_SLOWNESS=${TROUPE_TEST_SLOWNESS})
endfunction()

# For code whose own speed does not matter: a third less time in the compiler.
function(troupe_compile_fast name)
  target_compile_options(${name} PRIVATE $<$<CONFIG:Release>:-O1>)
endfunction()

# Every target but the tests uses the one precompiled header that troupe_base builds.
function(troupe_precompile name)
  if(name STREQUAL "troupe_base")
    target_precompile_headers(${name} PRIVATE ${troupe_SOURCE_DIR}/cmake/precompiled.h)
  else()
    target_precompile_headers(${name} REUSE_FROM troupe_base)
  endif()
endfunction()

# The tests share a second one, which the first of them builds.
function(troupe_precompile_test name)
  get_property(first GLOBAL PROPERTY TROUPE_FIRST_TEST)
  if(first)
    target_precompile_headers(${name} REUSE_FROM ${first})
  else()
    set_property(GLOBAL PROPERTY TROUPE_FIRST_TEST ${name})
    target_precompile_headers(${name} PRIVATE ${troupe_SOURCE_DIR}/cmake/precompiled_test.h)
  endif()
endfunction()
