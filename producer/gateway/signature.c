#include "producer/gateway/signature.h"

#include <string.h>

#include "common/base64.h"
#include "common/digest.h"

#define BASE64_LEN 44 /* of DIGEST_SIZE bytes, with its `=` */
#define SEPARATORS " \t\r\n"

int signature_read_secrets(struct signature_secrets *ret, const char *text, struct reason *why)
{
    struct signature_secrets secrets = {0};

    for (const char *at = text + strspn(text, SEPARATORS); *at; at += strspn(at, SEPARATORS)) {
        size_t len = strcspn(at, SEPARATORS);

        if (secrets.count == SIGNATURE_SECRETS_MAX) {
            reason_set(why, "there are more than %d webhook secrets", SIGNATURE_SECRETS_MAX);
            return ERR_INVALID;
        }
        if (len < SIGNATURE_SECRET_MIN || len > SIGNATURE_SECRET_MAX) {
            reason_set(why, "webhook secret %zu has %zu characters; a secret has %d to %d", secrets.count + 1, len,
                       SIGNATURE_SECRET_MIN, SIGNATURE_SECRET_MAX);
            return ERR_INVALID;
        }
        secrets.all[secrets.count++] = (struct span){at, len};
        at += len;
    }
    if (secrets.count == 0) {
        reason_set(why, "there is no webhook secret");
        return ERR_INVALID;
    }
    *ret = secrets;
    return 0;
}

static bool is_base64_of(const uint8_t mac[DIGEST_SIZE], const char *given)
{
    struct buf text;
    bool is_equal;

    buf_init(&text, BASE64_LEN + 1);
    base64_add(&text, (const char *)mac, DIGEST_SIZE);
    is_equal = text.len == BASE64_LEN && digest_equal((const uint8_t *)text.data, (const uint8_t *)given, BASE64_LEN);
    buf_wipe(&text);
    buf_clear(&text);
    return is_equal;
}

bool signature_is_good(const struct signature_secrets *secrets, const char *header, struct span body)
{
    static const char prefix[] = "sha256=";
    const char *given = header && strncmp(header, prefix, sizeof(prefix) - 1) == 0 ? header + sizeof(prefix) - 1 : "";
    size_t len = strlen(given);
    uint8_t bytes[DIGEST_SIZE];
    bool is_hex = digest_from_hex(given, len, bytes), is_good = false;

    if (!is_hex && len != BASE64_LEN)
        return false;
    for (size_t i = 0; i < secrets->count; i++) { /* all of them, whichever fits */
        uint8_t mac[DIGEST_SIZE];

        digest_hmac_sha256(secrets->all[i].data, secrets->all[i].len, body.data, body.len, mac);
        is_good |= is_hex ? digest_equal(mac, bytes, DIGEST_SIZE) : is_base64_of(mac, given);
    }
    return is_good;
}
