#include "cli/output.h"

#include <stdio.h>
#include <stdlib.h>
#include "cli/cli.h"
#include "reports/codec.h"

int cli_print_json(cJSON *root)
{
    char *text = root ? jb_json_pretty(root) : NULL;
    cJSON_Delete(root);
    if (!text) {
        struct jb_err err = { 0 };
        jb_fail(&err, JB_E_NOMEM, "out of memory");
        return cli_fail(&err);
    }
    fputs(text, stdout);
    free(text);
    return JB_EXIT_OK;
}

int cli_print_result_json(const struct jb_result *r) { return cli_print_json(jb_result_to_json(r)); }

void cli_put_options(cJSON *o, const char *key, const struct jb_option *rows)
{
    cJSON *list = jb_json_put_array(o, key);
    for (; rows && rows->type != JB_OPT_END; rows++) {
        cJSON *row = jb_json_put_object(list, NULL);
        jb_json_put_str(row, "name", rows->name);
        jb_json_put_str(row, "default", rows->default_text);
        if (rows->type == JB_OPT_F64 || rows->type == JB_OPT_I64) {
            jb_json_put_f64(row, "min", rows->min);
            jb_json_put_f64(row, "max", rows->max);
        }
        jb_json_put_str(row, "help", rows->help);
    }
}
