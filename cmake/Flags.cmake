# Warnings are errors; the release binary is hardened (tests/real/hardening_test.py reads the ELF file).
find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

add_compile_options(-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # False alarms of gcc 12 in coroutine frames and in std::string under -O1 with sanitizers.
  add_compile_options(-Wno-maybe-uninitialized -Wno-restrict -Wno-dangling-pointer -Wno-stringop-overflow
                      -Wno-stringop-overread -Wno-array-bounds -Wno-mismatched-new-delete)
endif()
add_compile_options(-fstack-protector-strong -fno-omit-frame-pointer -g1 -ffile-prefix-map=${CMAKE_SOURCE_DIR}=.)
if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug" AND NOT MANDATED_SANITIZE)
  add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
  add_compile_definitions(_GLIBCXX_ASSERTIONS)
endif()
add_link_options(-Wl,-z,relro,-z,now -pie)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  add_link_options(-fuse-ld=lld-19)
endif()

set(MANDATED_SANITIZE "" CACHE STRING "Sanitizers, as -fsanitize= takes them")
if(MANDATED_SANITIZE)
  add_compile_options(-fsanitize=${MANDATED_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${MANDATED_SANITIZE})
endif()
if(MANDATED_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
  add_link_options(-fsanitize=fuzzer-no-link)
endif()

# Boost.Asio: only what is used, no exceptions from the allocator cache, frames recycled per thread.
add_compile_definitions(BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_RECYCLING_ALLOCATOR_CACHE_SIZE=16
                        BOOST_ASIO_DISABLE_BOOST_COROUTINE SPDLOG_FMT_EXTERNAL SPDLOG_COMPILED_LIB)
