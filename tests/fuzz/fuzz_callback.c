/* URLs, lists of hosts and jobs of whatever bytes. The first line is the list of hosts, the second the private one, the
 * third the URL, the rest a job: a URL that is taken goes where it says it goes, and a job that is read is written as
 * it was. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/callback.h"
#include "common/callback_url.h"
#include "common/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct span next_line(struct span *rest)
{
    const char *end = rest->len > 0 ? memchr(rest->data, '\n', rest->len) : NULL;
    struct span line = {rest->data, end ? (size_t)(end - rest->data) : rest->len};
    size_t used = line.len + (end ? 1 : 0);

    rest->data += used;
    rest->len -= used;
    return line;
}

static void check_url(struct span url, const struct callback_rules *rules)
{
    struct callback_target *first = mem_zalloc(1, sizeof(*first)), *again = mem_zalloc(1, sizeof(*again));
    struct reason why;

    if (callback_url_read(first, url, rules, &why) == 0) {
        for (const char *c = first->url; *c; c++)
            assert(*c > ' ' && *c <= '~');
        assert(strncmp(first->url, "https://", 8) == 0 ||
               (strncmp(first->url, "http://", 7) == 0 && first->is_private));
        if (strlen(first->url) <= CALLBACK_URL_MAX) { /* what is called is what was read */
            assert(callback_url_read(again, span_of(first->url), rules, &why) == 0);
            assert(strcmp(first->host, again->host) == 0 && first->port == again->port);
            assert(first->is_private == again->is_private && strcmp(first->url, again->url) == 0);
        }
    }
    free(first);
    free(again);
}

static void check_job(struct span document)
{
    const struct callback_trace trace = {.reason = "rejected", .detail = "", .at_ms = 1};
    struct callback callback, again;
    struct buf bodies[2], job;
    struct reason why;

    buf_init(&bodies[0], JSON_MAX_BYTES);
    buf_init(&bodies[1], JSON_MAX_BYTES);
    buf_init(&job, JSON_MAX_BYTES);
    if (callback_read(&callback, document, &why) == 0) {
        callback_write_body(&callback, &bodies[0]);
        callback_write_job(&callback, &trace, &job);
        if (job.len <= CALLBACK_JOB_MAX) {
            assert(callback_read(&again, (struct span){job.data, job.len}, &why) == 0);
            callback_write_body(&again, &bodies[1]);
            assert(strcmp(buf_str(&bodies[0]), buf_str(&bodies[1])) == 0);
            assert(again.attempts == callback.attempts && again.since_ms == callback.since_ms);
            callback_clear(&again);
        }
    }
    callback_clear(&callback);
    buf_clear(&bodies[0]);
    buf_clear(&bodies[1]);
    buf_clear(&job);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span rest = {(const char *)data, size}, hosts = next_line(&rest), private_hosts = next_line(&rest);
    struct span url = next_line(&rest);
    char *lists[2] = {mem_copy(hosts.data, hosts.len), mem_copy(private_hosts.data, private_hosts.len)};
    char *exact = malloc(rest.len ? rest.len : 1); /* exactly as long: reading on is seen */
    struct callback_rules rules;
    struct reason why;

    if (callback_rules_init(&rules, lists[0], lists[1], NULL, &why) == 0)
        check_url(url, &rules);
    if (rest.len > 0)
        memcpy(exact, rest.data, rest.len);
    check_job((struct span){exact, rest.len});
    free(lists[0]);
    free(lists[1]);
    free(exact);
    return 0;
}
