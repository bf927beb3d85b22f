// docs/schema/results.schema.json and what is written agree: key by key here, and by python3's jsonschema where that is installed.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/json.h"
#include "tests/reports/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define SCHEMA "docs/schema/results.schema.json"

// Keys of `value` and properties of `schema` are the same set, and all of them are required.
static void same_keys(const cJSON *value, const cJSON *schema, const char *where)
{
    const cJSON *properties = cJSON_GetObjectItem(schema, "properties"), *required = cJSON_GetObjectItem(schema, "required"), *i, *k;
    assert_non_null(properties);
    cJSON_ArrayForEach(i, value)
        if (!cJSON_GetObjectItemCaseSensitive(properties, i->string))
            fail_msg("%s: \"%s\" is written, but not in the schema", where, i->string);
    cJSON_ArrayForEach(i, properties)
    {
        bool is_required = false;
        if (!cJSON_GetObjectItemCaseSensitive(value, i->string))
            fail_msg("%s: \"%s\" is in the schema, but not written", where, i->string);
        cJSON_ArrayForEach(k, required)
            is_required |= strcmp(k->valuestring, i->string) == 0;
        if (!is_required)
            fail_msg("%s: \"%s\" is not required by the schema", where, i->string);
    }
}

static const cJSON *at(const cJSON *o, const char *a, const char *b)
{
    const cJSON *p = cJSON_GetObjectItem(o, a);
    return b ? cJSON_GetObjectItem(p, b) : p;
}

static void schema_names_every_key(void **state)
{
    (void)state;
    static const char *const PARTS[] = {"accuracy", "latency_ns", "memory", "energy", "overthinking"};
    char dir[256], path[300];
    struct jb_json_doc schema, doc;
    struct jb_err err = {0};
    struct jb_result *r = jb_fixture_open(JB_FIXTURE_REPLAYED);
    jb_temp_dir(dir);
    snprintf(path, sizeof path, "%s/results.json", dir);
    assert_int_equal(jb_result_write(r, path, &err), 0);
    assert_int_equal(jb_json_read(&schema, SCHEMA, 1 << 24, &err), 0);
    assert_int_equal(jb_json_read(&doc, path, 1 << 28, &err), 0);
    same_keys(doc.root, schema.root, "results");
    const cJSON *cell_schema = at(schema.root, "$defs", "cell"), *cell = cJSON_GetArrayItem(at(doc.root, "cells", NULL), 0);
    same_keys(cell, cell_schema, "cell");
    for (size_t i = 0; i < sizeof PARTS / sizeof *PARTS; i++)
        same_keys(at(cell, PARTS[i], NULL), at(at(cell_schema, "properties", NULL), PARTS[i], NULL), PARTS[i]);
    same_keys(cJSON_GetArrayItem(at(cell, "exits", NULL), 0), at(at(cell_schema, "properties", "exits"), "items", NULL), "exits");
    same_keys(cJSON_GetArrayItem(at(cell, "energy_modelled", NULL), 0), at(at(cell_schema, "properties", "energy_modelled"), "items", NULL), "energy_modelled");
    same_keys(cJSON_GetArrayItem(at(doc.root, "hull", NULL), 0), at(at(schema.root, "properties", "hull"), "items", NULL), "hull");
    same_keys(cJSON_GetArrayItem(at(doc.root, "oracles", NULL), 0), at(at(schema.root, "properties", "oracles"), "items", NULL), "oracles");
    jb_json_close(&doc);
    jb_json_close(&schema);
    jb_result_close(r);
    jb_temp_remove(dir);
}

static const char PROGRAM[] =
    "import json,sys,copy\n"
    "from jsonschema import Draft202012Validator as V\n"
    "s=json.load(open('" SCHEMA "'));V.check_schema(s);v=V(s)\n"
    "for f in sys.argv[1:]:\n"
    "  d=json.load(open(f))\n"
    "  e=list(v.iter_errors(d))\n"
    "  assert not e,(f,list(e[0].path),e[0].message)\n"
    "d['cells']=d['cells'][:1];d['hull']=[]\n"
    "def bad(change):\n"
    "  x=copy.deepcopy(d);change(x);assert next(v.iter_errors(x),None),'a broken file passed'\n"
    "bad(lambda x:x.update(extra=1))\n"
    "bad(lambda x:x['cells'][0].pop('key'))\n"
    "bad(lambda x:x['cells'][0]['energy'].update({'class':'modelled'}))\n"
    "bad(lambda x:x['cells'][0]['energy'].update({'class':'none','gross_uj':0}))\n"
    "bad(lambda x:x['cells'][0]['accuracy'].update(value=93.4))\n";

static void written_files_validate(void **state)
{
    (void)state;
    char dir[256], path[300], command[2600];
    struct jb_err err = {0};
    if (system("python3 -c 'import jsonschema; jsonschema.Draft202012Validator' >/dev/null 2>&1") != 0) {
        print_message("skipped: python3 with jsonschema (4 or newer) is not installed\n");
        skip();
    }
    jb_temp_dir(dir);
    for (int i = 1; i < 3; i++) {
        struct jb_result *r = i == 2 ? jb_fixture_hostile() : jb_fixture_open(JB_FIXTURE_REPLAYED);
        snprintf(path, sizeof path, "%s/%d.json", dir, i);
        assert_int_equal(jb_result_write(r, path, &err), 0);
        jb_result_close(r);
    }
    snprintf(path, sizeof path, "%s/check.py", dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(PROGRAM, f);
    fclose(f);
    snprintf(command, sizeof command, "python3 %s %s/2.json %s/1.json 2>&1", path, dir, dir);
    assert_int_equal(system(command), 0);
    jb_temp_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(schema_names_every_key), cmocka_unit_test(written_files_validate)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
