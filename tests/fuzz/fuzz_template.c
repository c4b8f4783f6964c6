/* Any bytes are a template or are refused with a reason, as a whole file and as one text of it; what loads renders. */
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "producer/language.h"
#include "producer/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every second variable has a value, which looks like a placeholder and must come out as it is. */
static const char *look_up(void *context, size_t variable, size_t *ret_len)
{
    (void)context;
    *ret_len = 5;
    return variable % 2 ? "{{x}}" : NULL;
}

static void try_one(const char *data, size_t len)
{
    struct template_missing missing = {NULL, NULL};
    struct reason why = {""};
    struct template *t = NULL;
    struct buf out;

    if (template_parse(&t, data, len, &why) != 0) {
        if (t || why.text[0] == '\0')
            abort();
        return;
    }
    buf_init(&out, 10000);
    for (size_t i = 0; i < template_language_count(t); i++) {
        const char *language = template_language_at(t, i);
        int rc;

        if (template_language(t, language) != language)
            abort();
        rc = template_render(t, language, look_up, NULL, &out, &missing);
        if (rc == ERR_INVALID ? !missing.name : rc != 0 && rc != ERR_LIMIT)
            abort();
        buf_reset(&out);
    }
    for (size_t i = 0; i < template_parameter_count(t); i++) {
        (void)template_render_parameter(t, i, "de-AT", look_up, NULL, &out, &missing); /* as long as it ends */
        buf_reset(&out);
    }
    buf_clear(&out);
    template_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const offered[] = {"en", "fr-CA", "zh-Hant", "x"};
    const char *bytes = (const char *)data;
    char *text = mem_copy(bytes, size);
    struct buf file;

    try_one(bytes, size);
    buf_init(&file, (size_t)1 << 20);
    buf_text(&file, "{\"channel\":\"sms\",\"texts\":{\"en\":");
    buf_json(&file, bytes, size);
    buf_text(&file, "}}");
    if (!file.overflow)
        try_one(file.data, file.len);
    buf_clear(&file);
    (void)language_lookup(text, offered, sizeof(offered) / sizeof(offered[0])); /* any answer will do */
    (void)language_of_address(text);
    (void)language_is_tag(text);
    free(text);
    return 0;
}
