// Building JSON. A key of NULL appends to an array. After an out-of-memory every further call answers false or NULL, and leaks nothing.
#include "base/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

static bool attach(cJSON *o, const char *key, cJSON *item)
{
    bool done = item && o && (key ? cJSON_AddItemToObject(o, key, item) : cJSON_AddItemToArray(o, item));
    if (!done) cJSON_Delete(item);
    return done;
}

bool jb_json_put_str(cJSON *o, const char *key, const char *value)
{
    return attach(o, key, value ? cJSON_CreateString(value) : cJSON_CreateNull());
}

bool jb_json_put_f64(cJSON *o, const char *key, double value)
{
    return attach(o, key, isfinite(value) ? cJSON_CreateNumber(value) : cJSON_CreateNull());
}

bool jb_json_put_u64(cJSON *o, const char *key, uint64_t value)
{
    if (value <= (uint64_t)1 << 53) return attach(o, key, cJSON_CreateNumber((double)value));
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRIu64, value);
    return attach(o, key, cJSON_CreateString(digits));
}

bool jb_json_put_bool(cJSON *o, const char *key, bool value)
{
    return attach(o, key, cJSON_CreateBool(value));
}

bool jb_json_put_null(cJSON *o, const char *key)
{
    return attach(o, key, cJSON_CreateNull());
}

cJSON *jb_json_put_object(cJSON *o, const char *key)
{
    cJSON *item = cJSON_CreateObject();
    return attach(o, key, item) ? item : NULL;
}

cJSON *jb_json_put_array(cJSON *o, const char *key)
{
    cJSON *item = cJSON_CreateArray();
    return attach(o, key, item) ? item : NULL;
}
