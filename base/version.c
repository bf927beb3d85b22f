#include "base/version.h"

#ifndef JB_VERSION
#define JB_VERSION "unknown"
#endif
#ifndef JB_GIT_REVISION
#define JB_GIT_REVISION "unknown"
#endif
#ifndef JB_PREFIX
#define JB_PREFIX "/usr/local"
#endif
#ifndef JB_BUILD_FLAGS
#define JB_BUILD_FLAGS ""
#endif

#if defined(__clang__)
#define JB_COMPILER "clang " __clang_version__
#elif defined(__GNUC__)
#define JB_COMPILER "gcc " __VERSION__
#else
#define JB_COMPILER "unknown"
#endif

const char *jb_version(void) { return JB_VERSION; }

const char *jb_git_revision(void) { return JB_GIT_REVISION; }

const char *jb_build_compiler(void) { return JB_COMPILER; }

const char *jb_build_flags(void) { return JB_BUILD_FLAGS; }

const char *jb_build_prefix(void) { return JB_PREFIX; }
