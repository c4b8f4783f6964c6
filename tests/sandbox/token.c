/* Bearer tokens: unguessable, remembered until they expire. A new one does not end an older one, as with Genesys. */
#include "tests/sandbox/token.h"
#include "tests/sandbox/text.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

#define TOKEN_SLOTS (1U << 17)
#define TOKEN_MOST  (TOKEN_SLOTS / 2)

struct slot {
    char token[TOKEN_SIZE];
    int64_t expires_us; /* 0: never used */
};

/* An open-addressing table; `lock` protects it. Expired tokens leave only when half the table is taken. */
struct tokens {
    pthread_rwlock_t lock;
    size_t used;
    struct slot *slots;
};

struct tokens *tokens_create(void)
{
    struct tokens *tokens = calloc(1, sizeof *tokens);
    if (tokens == NULL) {
        return NULL;
    }
    tokens->slots = calloc(TOKEN_SLOTS, sizeof *tokens->slots);
    if (tokens->slots == NULL) {
        free(tokens);
        return NULL;
    }
    (void)pthread_rwlock_init(&tokens->lock, NULL); /* default attributes: cannot fail on Linux */
    return tokens;
}

void tokens_destroy(struct tokens *tokens)
{
    if (tokens == NULL) {
        return;
    }
    (void)pthread_rwlock_destroy(&tokens->lock);
    free(tokens->slots);
    free(tokens);
}

/* find_slot: the slot of this token, or the free one where it would go. Tokens are random, so their bytes are the
 * hash; the comparison takes the same time wherever the first difference is. */
static struct slot *find_slot(struct slot *slots, const char token[TOKEN_SIZE])
{
    uint64_t hash;
    memcpy(&hash, token + 8, sizeof hash);
    size_t at = (size_t)((hash * 0x9e3779b97f4a7c15ULL) >> 40) & (TOKEN_SLOTS - 1);
    while (slots[at].expires_us != 0 && CRYPTO_memcmp(slots[at].token, token, TOKEN_SIZE) != 0) {
        at = (at + 1) & (TOKEN_SLOTS - 1);
    }
    return &slots[at];
}

/* drop_expired_locked: 0, or -1 without memory for the new table. */
static int drop_expired_locked(struct tokens *tokens)
{
    struct slot *slots = calloc(TOKEN_SLOTS, sizeof *slots);
    if (slots == NULL) {
        return -1;
    }
    int64_t now_us = clock_mono_us();
    tokens->used = 0;
    for (size_t i = 0; i < TOKEN_SLOTS; i++) {
        if (tokens->slots[i].expires_us > now_us) {
            *find_slot(slots, tokens->slots[i].token) = tokens->slots[i];
            tokens->used++;
        }
    }
    free(tokens->slots);
    tokens->slots = slots;
    return 0;
}

static int make_token(char ret_token[TOKEN_SIZE])
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned char bytes[TOKEN_SIZE - 1];
    if (RAND_bytes(bytes, sizeof bytes) != 1) {
        return -1;
    }
    for (size_t i = 0; i < sizeof bytes; i++) {
        ret_token[i] = alphabet[bytes[i] & 63];
    }
    ret_token[TOKEN_SIZE - 1] = '\0';
    return 0;
}

int tokens_issue(struct tokens *tokens, int64_t expires_us, char ret_token[TOKEN_SIZE])
{
    char token[TOKEN_SIZE];
    if (make_token(token) != 0) {
        return -1;
    }
    int result = 0;
    (void)pthread_rwlock_wrlock(&tokens->lock);
    if (tokens->used >= TOKEN_MOST) {
        result = drop_expired_locked(tokens);
    }
    if (result == 0 && tokens->used >= TOKEN_MOST) {
        result = -1;
    }
    if (result == 0) {
        struct slot *slot = find_slot(tokens->slots, token);
        memcpy(slot->token, token, TOKEN_SIZE);
        slot->expires_us = expires_us;
        tokens->used++;
        memcpy(ret_token, token, TOKEN_SIZE);
    }
    (void)pthread_rwlock_unlock(&tokens->lock);
    return result;
}

bool tokens_is_good(struct tokens *tokens, const char *token, size_t length, int64_t now_us)
{
    if (length != TOKEN_SIZE - 1) {
        return false;
    }
    char wanted[TOKEN_SIZE] = {0};
    memcpy(wanted, token, length);
    (void)pthread_rwlock_rdlock(&tokens->lock);
    bool good = find_slot(tokens->slots, wanted)->expires_us > now_us;
    (void)pthread_rwlock_unlock(&tokens->lock);
    return good;
}

void tokens_revoke_all(struct tokens *tokens)
{
    (void)pthread_rwlock_wrlock(&tokens->lock);
    memset(tokens->slots, 0, TOKEN_SLOTS * sizeof *tokens->slots);
    tokens->used = 0;
    (void)pthread_rwlock_unlock(&tokens->lock);
}
