// What the sources say of themselves, for doctor and `power probe`.
#include <math.h>
#include <stdio.h>
#include "cli/power.h"
#include "cli/table.h"

static void print_line(const char *name, const char *text)
{
    if (!text[0])
        return;
    printf("             %s: ", name);
    cli_print_safe(text);
    putchar('\n');
}

static void print_probe(const struct jb_power_probe *p)
{
    printf("  %-10s %s", p->source, p->available ? "available" : "not available");
    if (p->available && p->cls != JB_ENERGY_NONE)
        printf(", %s", jb_energy_class_name(p->cls));
    if (p->path[0]) {
        printf("  ");
        cli_print_safe(p->path);
        printf("%s%s", p->mode[0] ? " " : "", p->mode);
    }
    if (!p->available && p->errnum)
        printf(" (errno %d)", p->errnum);
    putchar('\n');
    print_line("sums", p->domains);
    print_line("leaves out", p->left_out);
    print_line(p->available ? "note" : "reason", p->reason);
    print_line("to unlock", p->available ? "" : p->fix);
    if (p->available && isfinite(p->read_ns))
        printf("             a read costs %.0f ns\n", p->read_ns);
}

void cli_power_print_probes(const struct jb_power_probe *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        print_probe(&p[i]);
}

void cli_power_put_probes(cJSON *root, const char *key, const struct jb_power_probe *p, size_t n)
{
    cJSON *list = jb_json_put_array(root, key);
    for (; n > 0; n--, p++) {
        cJSON *o = jb_json_put_object(list, NULL);
        jb_json_put_str(o, "source", p->source);
        jb_json_put_bool(o, "available", p->available);
        jb_json_put_str(o, "class", jb_energy_class_name(p->cls));
        jb_json_put_str(o, "path", p->path[0] ? p->path : NULL);
        jb_json_put_str(o, "mode", p->mode[0] ? p->mode : NULL);
        jb_json_put_u64(o, "errno", (uint64_t)p->errnum);
        jb_json_put_str(o, "reason", p->reason[0] ? p->reason : NULL);
        jb_json_put_str(o, "fix", p->fix[0] ? p->fix : NULL);
        jb_json_put_str(o, "domains", p->domains[0] ? p->domains : NULL);
        jb_json_put_str(o, "left_out", p->left_out[0] ? p->left_out : NULL);
        jb_json_put_f64(o, "read_ns", p->available ? p->read_ns : NAN);
    }
}
