#define PCRE2_CODE_UNIT_WIDTH 8
#include "cli/doctor.h"

#include <cjson/cJSON.h>
#include <fcntl.h>
#include <papi.h>
#include <pcre2.h>
#include <sodium.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

extern char **environ;

static struct cli_library library(const char *name, const char *version, const char *use)
{
    struct cli_library l = { .name = name, .use = use };
    snprintf(l.version, sizeof l.version, "%s", version);
    return l;
}

size_t cli_doctor_libraries(struct cli_library *out)
{
    char papi[32];
    int v = PAPI_get_opt(PAPI_LIB_VERSION, NULL);
    snprintf(papi, sizeof papi, "%d.%d.%d", (int)PAPI_VERSION_MAJOR(v), (int)PAPI_VERSION_MINOR(v), (int)PAPI_VERSION_REVISION(v));
    out[0] = library("cJSON", cJSON_Version(), "plans, results");
    out[1] = library("zlib", zlibVersion(), "gzipped data");
    out[2] = library("libsodium", sodium_version_string(), "hashes");
    out[3] = library("PAPI", v > 0 ? papi : "unknown", "counters");
    out[4] = library("libpowercap", "linked (it tells no version)", "energy counters");
    char pcre2[32] = "unknown"; // "10.42 2022-12-11"
    if (pcre2_config(PCRE2_CONFIG_VERSION, NULL) <= (int)sizeof pcre2)
        (void)pcre2_config(PCRE2_CONFIG_VERSION, pcre2);
    pcre2[strcspn(pcre2, " ")] = '\0';
    out[5] = library("PCRE2", pcre2, "tokenizers");
    return 6;
}

size_t cli_doctor_papi(struct cli_papi_component *out, size_t room, char failed[128])
{
    size_t n = 0;
    int rc = PAPI_library_init(PAPI_VER_CURRENT);
    failed[0] = '\0';
    if (rc != PAPI_VER_CURRENT) {
        snprintf(failed, 128, "PAPI does not start: %s", rc > 0 ? "version of headers and library differ" : PAPI_strerror(rc));
        return 0;
    }
    for (int i = 0; i < PAPI_num_components() && n < room; i++) {
        const PAPI_component_info_t *c = PAPI_get_component_info(i);
        if (!c)
            continue;
        snprintf(out[n].name, sizeof out[n].name, "%s", c->name);
        out[n].enabled = c->disabled == 0;
        snprintf(out[n].reason, sizeof out[n].reason, "%s", c->disabled ? c->disabled_reason : "");
        n++;
    }
    PAPI_shutdown();
    return n;
}

// Spawned without a shell, its errors thrown away.
static pid_t start(const char *program, int out)
{
    char option[] = "--version", name[256];
    char *argv[] = { name, option, NULL };
    pid_t pid = -1;
    posix_spawn_file_actions_t actions;
    snprintf(name, sizeof name, "%s", program);
    if (posix_spawn_file_actions_init(&actions) != 0)
        return -1;
    if (posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0) == 0 &&
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0) == 0 &&
        posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO) == 0 && posix_spawnp(&pid, name, &actions, NULL, argv, environ) != 0)
        pid = -1;
    posix_spawn_file_actions_destroy(&actions);
    return pid;
}

bool cli_doctor_program(const char *program, char *version, size_t n)
{
    int ends[2], status = -1;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    pid_t pid = start(program, ends[1]);
    close(ends[1]);
    FILE *f = pid > 0 ? fdopen(ends[0], "r") : NULL;
    bool got = f && fgets(version, (int)n, f) != NULL;
    if (f)
        fclose(f);
    else
        close(ends[0]);
    if (pid > 0 && waitpid(pid, &status, 0) != pid)
        status = -1;
    if (got)
        version[strcspn(version, "\n")] = '\0';
    return got && status != -1;
}
