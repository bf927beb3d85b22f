// Which joulebench this is. The build passes these in as defines of version.c alone.
#ifndef JB_BASE_VERSION_H
#define JB_BASE_VERSION_H

const char *jb_version(void);       // "0.1.0"
const char *jb_git_revision(void);  // "1a2b3c4d5e6f", with "-dirty" behind it for a changed tree; "unknown" outside git
const char *jb_build_compiler(void); // "gcc 12.2.0"
const char *jb_build_flags(void);   // the compiler's options (those of kernels/x86 come on top)
const char *jb_build_prefix(void);  // PREFIX of make install: data lies in PREFIX/share/joulebench

#endif
