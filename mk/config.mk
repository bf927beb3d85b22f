# Compiler, flags, variant and libraries. Nothing here builds anything.

VERSION := 0.1.0
PREFIX ?= /usr/local
DESTDIR ?=

ifeq ($(origin CC),default)
CC := gcc
endif

# All cores unless the caller said -j himself.
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
ifeq ($(MAKELEVEL),0)
ifeq ($(filter -j% --jobserver%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(JOBS)
endif
endif

# What we compile for is the compiler's business, not this machine's.
MACHINE := $(shell $(CC) -dumpmachine 2>/dev/null || echo unknown)
TARGET_ARCH_NAME := $(firstword $(subst -, ,$(MACHINE)))
HOST_ARCH_NAME := $(shell uname -m)
CROSS := $(filter-out $(HOST_ARCH_NAME),$(TARGET_ARCH_NAME))
IS_CLANG := $(findstring clang,$(notdir $(CC)))
ifeq ($(origin AR),default)
AR := $(if $(CROSS),$(MACHINE)-ar,ar)
endif

# A variant has its own directory below build/, so that variants never mix objects:
# SAN=asan | tsan | fuzz; another compiler or target gets its own directory by itself.
SAN ?=
BUILD ?= build
VARIANT := $(if $(CROSS),$(MACHINE),$(if $(SAN),$(SAN)$(if $(filter-out fuzz,$(SAN)),$(if $(IS_CLANG),-clang)),$(if $(IS_CLANG),clang)))
B := $(BUILD)$(if $(VARIANT),/$(VARIANT))

SAN_FLAGS_asan := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
SAN_FLAGS_tsan := -O1 -fno-omit-frame-pointer -fsanitize=thread
SAN_FLAGS_fuzz := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined \
    $(if $(IS_CLANG),-fsanitize=fuzzer-no-link)
SAN_FLAGS := $(SAN_FLAGS_$(SAN))

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow
ifneq ($(filter-out 0 false no,$(CI) $(WERROR)),)
# Not for the sanitizers: their instrumentation misleads gcc's flow analysis into false warnings.
WARNINGS += $(if $(SAN),,-Werror)
endif

# -ffp-contract=off: kernels of different tiers must agree bit for bit, so no multiply-add behind our back.
# Never -ffast-math.
JB_CFLAGS := -std=c17 -O2 -g $(WARNINGS) -ffp-contract=off -fno-math-errno -pthread $(SAN_FLAGS)

# Libraries. pkg-config may be absent until `make deps` has run; then these are empty and `need-libs` says so.
LIB_MODULES := libcjson zlib libsodium papi powercap libpcre2-8
PKG_CONFIG ?= pkg-config
LIB_CFLAGS := $(if $(CROSS),,$(shell $(PKG_CONFIG) --cflags-only-other $(LIB_MODULES) 2>/dev/null))
LIB_LIBS := $(shell $(PKG_CONFIG) --libs $(LIB_MODULES) 2>/dev/null)
CMOCKA_LIBS := $(shell $(PKG_CONFIG) --libs cmocka 2>/dev/null)

# A cross compiler reads the host's headers of our libraries last, behind its own C library's (objects only, no link).
HOST_TRIPLET := $(if $(CROSS),$(shell gcc -dumpmachine 2>/dev/null || echo $(HOST_ARCH_NAME)-linux-gnu))
CROSS_INCLUDES := $(if $(CROSS),-idirafter /usr/include -idirafter /usr/include/$(HOST_TRIPLET))

JB_CPPFLAGS := -I. -D_GNU_SOURCE $(LIB_CFLAGS) $(CROSS_INCLUDES)
LDLIBS_ALL := $(LIB_LIBS) -lm -pthread

# Per-ISA flags come from the file's suffix, in kernels/x86 alone.
ISA_AVX2 := -mavx2 -mfma -mf16c
ISA_AVX512 := $(ISA_AVX2) -mavx512f -mavx512bw -mavx512dq -mavx512vl
ISA_VNNI := $(ISA_AVX512) -mavx512vnni
isa_flags = $(if $(filter kernels/x86/%_avx2.c,$1),$(ISA_AVX2))$(if $(filter kernels/x86/%_avx512.c,$1),$(ISA_AVX512))$(if $(filter kernels/x86/%_vnni.c,$1),$(ISA_VNNI))

# Version, revision and flags reach the program through one file, so that a new commit recompiles one object.
GIT_REVISION := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)$(shell GIT_OPTIONAL_LOCKS=0 git diff --quiet HEAD -- 2>/dev/null || { git rev-parse HEAD >/dev/null 2>&1 && echo -dirty; })
VERSION_FILE := base/version.c
VERSION_DEFINES = -DJB_VERSION='"$(VERSION)"' -DJB_GIT_REVISION='"$(GIT_REVISION)"' -DJB_PREFIX='"$(PREFIX)"' \
    -DJB_BUILD_FLAGS='"$(strip $(JB_CFLAGS) $(CFLAGS))"'

V ?= 0
Q := $(if $(filter 0,$(V)),@)
say = @$(if $(filter 0,$(V)),printf '  %-7s %s\n' '$1' '$2')
