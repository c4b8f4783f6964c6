/* herald client new: a token for a service that may call the gateway. */
#include <stdio.h>
#include <string.h>

#include "common/base64.h"
#include "common/digest.h"
#include "common/ids.h"
#include "producer/command.h"
#include "producer/gateway/clients.h"

#define TOKEN_WORDS 4 /* of 64 bits of chance */

struct options {
    char *rights;
};

static const struct option rows[] = {
    {"rights", NULL, OPTION_TEXT, .offset = offsetof(struct options, rights), .fallback = "enqueue,read",
     .value = "LIST", .help = "what it may do, separated by commas: enqueue, read, operate"},
};

/* 32 bytes of chance in base64, as URLs and headers can carry it. */
static void make_token(struct buf *token)
{
    uint64_t words[TOKEN_WORDS];

    for (size_t i = 0; i < TOKEN_WORDS; i++)
        words[i] = random_u64();
    base64_add(token, (const char *)words, sizeof(words));
    explicit_bzero(words, sizeof(words));
    while (token->len > 0 && token->data[token->len - 1] == '=')
        token->data[--token->len] = '\0';
    for (char *at = token->data; *at; at++)
        *at = *at == '+' ? '-' : *at == '/' ? '_' : *at;
}

/* `name:rights:hash` as the gateway reads it; its own reader says whether it is one. */
static int make_entry(const char *name, const char *rights, const struct buf *token, struct buf *ret,
                      struct reason *why)
{
    static struct clients clients; /* large, and only here to be read into */
    char hash[DIGEST_HEX_SIZE];

    digest_sha256_hex(token->data, token->len, hash);
    buf_printf(ret, "%s:", name);
    for (const char *at = rights; *at; at++)
        buf_char(ret, *at == ',' ? '+' : *at);
    buf_printf(ret, ":%s", hash);
    if (clients_parse(buf_str(ret), &clients, why) == 0 && clients.count == 1)
        return 0;
    reason_set(why,
               "a client has a name of 1 to %d letters, digits and . _ -, and --rights are some of enqueue, read "
               "and operate",
               CLIENT_NAME_MAX);
    return ERR_INVALID;
}

static enum exit_status run(const struct command_call *call)
{
    const struct options *options = call->options;
    struct reason why = {""};
    struct buf token, entry;
    int rc;

    if (call->words->count != 1) {
        reason_set(&why, "which client? Give it a name that tells the audit who it was, such as crm");
        return command_fail(ERR_INVALID, &why);
    }
    buf_init(&token, 128);
    buf_init(&entry, 512);
    make_token(&token);
    rc = make_entry(call->words->words[0], options->rights, &token, &entry, &why);
    if (rc == 0)
        (void)printf("token (shown once; for the client, as `Authorization: Bearer TOKEN`):\n%s\n\n"
                     "for the gateway, a further entry of --clients (HERALD_CLIENTS):\n%s\n",
                     token.data, entry.data);
    buf_wipe(&token);
    buf_clear(&token);
    buf_clear(&entry);
    return rc == 0 ? EXIT_DONE : command_fail(rc, &why);
}

const struct command command_client_new = {
    .name = "client new",
    .usage = "NAME [OPTION]...",
    .summary = "make a token for a service that may call herald-gateway",
    .help =
        "The gateway keeps only the token's hash, so the token cannot be shown again. To take a client's token away,\n"
        "take its entry out of --clients and restart the gateway.\n",
    .words_max = 1,
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .options_size = sizeof(struct options),
    .run = run,
};
