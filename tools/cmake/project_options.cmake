# The language, the warnings and the hardening every target of ours is built with.
option(TREADLINE_WERROR "Treat warnings as errors" OFF)
set(TREADLINE_SANITIZE "" CACHE STRING "Sanitizers to build with: address,undefined or thread")

add_library(project_options INTERFACE)
target_compile_features(project_options INTERFACE cxx_std_20)
target_include_directories(project_options INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_definitions(project_options INTERFACE _GNU_SOURCE TREADLINE_VERSION="${PROJECT_VERSION}")
target_compile_options(project_options INTERFACE
    -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor -Woverloaded-virtual
    -fstack-protector-strong
    $<$<BOOL:${TREADLINE_WERROR}>:-Werror>)
if(CMAKE_BUILD_TYPE MATCHES "Rel" AND NOT TREADLINE_SANITIZE)
    target_compile_definitions(project_options INTERFACE _FORTIFY_SOURCE=2)
endif()
if(TREADLINE_SANITIZE)
    target_compile_options(project_options INTERFACE
        -fsanitize=${TREADLINE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(project_options INTERFACE -fsanitize=${TREADLINE_SANITIZE})
endif()
option(TREADLINE_FUZZ "Build libFuzzer programs; needs clang and its runtime library" OFF)
if(TREADLINE_FUZZ)
    target_compile_options(project_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
set(CMAKE_CXX_EXTENSIONS ON) # TRY is a GNU statement expression
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
target_link_options(project_options INTERFACE -Wl,-z,relro,-z,now)
