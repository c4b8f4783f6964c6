/* Entries and lines of an audit, of whatever bytes. What is written can be read and checks out, as JSON too; what comes
 * from elsewhere never does unless it is what was written, and the checker settles on one of its answers. */
#include "producer/audit_check.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/json_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_object(struct span text)
{
    struct json *json = NULL;
    struct reason why;
    bool has_breaks = false;

    for (size_t i = 0; i < text.len; i++)
        has_breaks = has_breaks || (unsigned char)text.data[i] < ' ';
    if (json_parse(&json, text.data, text.len, &why) != 0)
        return;
    /* What the reader takes the checker takes, but for what must not stand in a line. */
    if (json_kind(json) == JSON_OBJECT && !has_breaks && text.data[0] == '{' && text.data[text.len - 1] == '}')
        assert(json_is_object_line(text));
    json_free(json);
}

static void write_and_read(struct span text, struct audit_link *link, struct buf *out)
{
    const struct store_audit_entry entry = {.id = {link->seq + 1768473000000, 1}, .text = text};
    struct audit_link back;
    struct json *json = NULL;
    struct reason why;
    size_t begin = out->len;
    struct span line;

    audit_chain_write(link, &entry, out);
    assert(!out->overflow && out->data[out->len - 1] == '\n');
    line = (struct span){out->data + begin, out->len - begin - 1};
    assert(memchr(line.data, '\n', line.len) == NULL);
    assert(audit_chain_read(line, &back, &why) == 0);
    assert(back.seq == link->seq && strcmp(back.sha256, link->sha256) == 0 && strcmp(back.prev, link->prev) == 0);
    /* Numbers beyond 64 bits and the like are the entry's own: they are passed on, and our reader does not take them.
     */
    if (!json_is_object_line(text))
        assert(json_parse(&json, line.data, line.len, &why) == 0 || line.len > JSON_MAX_BYTES);
    json_free(json);
}

static void check_lines(const char *bytes, size_t size, const char *from)
{
    struct audit_check check;
    struct audit_place place = {0, 0};
    bool goes_on = true;
    size_t at = 0;

    audit_check_init(&check, from);
    while (at < size && goes_on) {
        const char *end = memchr(bytes + at, '\n', size - at);
        size_t len = end ? (size_t)(end - bytes) - at : size - at;

        place.line++;
        goes_on = audit_check_line(&check, place, (struct span){bytes + at, len});
        at += len + 1;
    }
    audit_check_end(&check, NULL);
    assert(check.is_settled && check.place.line <= place.line && check.found.line <= place.line);
    assert(check.damage < AUDIT_DAMAGE_COUNT && audit_damage_name(check.damage)[0]);
    if (check.damage == AUDIT_FINE)
        assert(check.count == place.line);
    if (check.damage == AUDIT_REORDERED)
        assert(check.found.line > check.place.line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *bytes = malloc(size ? size : 1); /* exactly as long: reading on is seen */
    struct audit_link link;
    struct buf chain;

    memcpy(bytes, data, size);
    check_object((struct span){bytes, size});
    check_lines(bytes, size, NULL);
    check_lines(bytes, size, AUDIT_START);
    buf_init(&chain, 4 * AUDIT_LINE_MAX);
    audit_link_start(&link, "org");
    write_and_read((struct span){bytes, size}, &link, &chain);
    write_and_read((struct span){bytes, size / 2}, &link, &chain);
    write_and_read((struct span){"{}", 2}, &link, &chain);
    check_lines(chain.data, chain.len, AUDIT_START);
    if (size >= 4) { /* one of its bytes is changed */
        size_t at = ((size_t)data[0] << 16 | (size_t)data[1] << 8 | data[2]) % (chain.len - 1);
        struct audit_check check;
        char *line_end = memchr(chain.data, '\n', chain.len);

        if (data[3] != 0 && chain.data + at != line_end && chain.data + at < line_end) {
            chain.data[at] = (char)(chain.data[at] ^ (char)data[3]);
            audit_check_init(&check, NULL);
            (void)audit_check_line(&check, (struct audit_place){0, 1},
                                   (struct span){chain.data, (size_t)(line_end - chain.data)});
            assert(check.damage == AUDIT_CHANGED);
        }
    }
    buf_clear(&chain);
    free(bytes);
    return 0;
}
