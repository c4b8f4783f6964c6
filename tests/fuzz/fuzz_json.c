/* What parses prints as JSON that parses again to the same print: what Herald stores and sends is what it read. And a
 * view of the same bytes says the same as their tree. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/utf8.h"
#include "tests/lib/json_twin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *bytes = malloc(size + 1); /* exactly as long as it is said to be, but for empty inputs */
    struct json *value = NULL, *again = NULL;
    struct reason why = {""};
    struct buf first, second;

    memcpy(bytes, data, size);
    bytes = realloc(bytes, size ? size : 1);
    buf_init(&first, 8 * JSON_MAX_BYTES);
    buf_init(&second, 8 * JSON_MAX_BYTES);
    assert(json_twin_difference(bytes, size) == NULL);
    if (json_parse(&value, bytes, size, &why) == 0) {
        assert(utf8_is_valid(bytes, size));
        assert(json_twin_depth(value) <= JSON_MAX_DEPTH);
        json_print(value, &first);
        assert(!first.overflow && utf8_is_valid(first.data, first.len));
        assert(json_parse(&again, first.data, first.len, &why) == 0);
        json_print(again, &second);
        assert(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
    } else {
        assert(value == NULL && why.text[0] != '\0');
    }
    json_free(value);
    json_free(again);
    buf_clear(&first);
    buf_clear(&second);
    free(bytes);
    return 0;
}
