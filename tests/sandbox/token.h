#ifndef SANDBOX_TOKEN_H
#define SANDBOX_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOKEN_SIZE 44 /* 43 characters of base64url and the NUL */

/* The tokens handed out, each good until its instant. Thread-safe. */
struct tokens;

struct tokens *tokens_create(void);
void tokens_destroy(struct tokens *tokens);

/* tokens_issue: 0, or -1 if there is no room or no randomness. */
int tokens_issue(struct tokens *tokens, int64_t expires_us, char ret_token[TOKEN_SIZE]);
bool tokens_is_good(struct tokens *tokens, const char *token, size_t length, int64_t now_us);
void tokens_revoke_all(struct tokens *tokens);

#endif
