/* Any filter either parses, with values that lie within it, or is refused with the place; and no address is shown. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/dead_filter.h"
#include "common/json.h"
#include "common/json_span.h"

#define NOW_MS INT64_C(1768473000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_values(const struct dead_filter *filter, const char *text)
{
    const struct dead_facts facts = {"rejected", "spring", "bad.request", "sms", NOW_MS - 1};

    for (int key = 0; key < DEAD_FILTER_KEY_COUNT; key++) {
        assert(filter->keys[key].count <= DEAD_FILTER_VALUES_MAX);
        assert(filter->keys[key].is_given == (filter->keys[key].count > 0));
        for (size_t i = 0; i < filter->keys[key].count; i++) {
            struct span value = filter->keys[key].values[i];

            assert(value.data >= filter->text && value.data + value.len <= filter->text + strlen(text));
            if (key == DEAD_FILTER_TO)
                assert(dead_filter_takes_address(filter, value) || value.data[0] == '+' ||
                       memchr(value.data, ':', value.len));
        }
    }
    (void)dead_filter_takes(filter, &facts); /* only that it comes back */
    assert(!dead_filter_is_empty(filter) || dead_filter_takes(filter, &facts));
}

/* The same bytes as an object: what is found lies within them, and is what the parser finds. */
static void check_span(const char *text, size_t len)
{
    struct json *json = NULL;
    struct span value = json_span((struct span){text, len}, "a");

    assert(!value.data || (value.len > 0 && value.data > text && value.data + value.len < text + len));
    if (json_parse(&json, text, len, NULL) == 0 && json_kind(json) == JSON_OBJECT && value.data)
        assert(json_has(json, "a"));
    json_free(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    struct dead_filter filter;
    struct reason why = {""};

    memcpy(text, data, size);
    text[size] = '\0';
    if (dead_filter_parse(&filter, text, NOW_MS, &why) == 0)
        check_values(&filter, text);
    else
        assert(why.text[0] != '\0');
    dead_filter_clear(&filter);
    check_span(text, size);
    free(text);
    return 0;
}
