/* Message ids: UUIDv7 (RFC 9562, section 5.7), so that they sort by the time they were made. Other producers may bring
 * ids of their own: 1 to ID_MAX characters of letters, digits and `._:-`. */
#ifndef HERALD_COMMON_IDS_H
#define HERALD_COMMON_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ID_MAX  128
#define ID_SIZE (ID_MAX + 1)

void id_new(char out[ID_SIZE], int64_t wall_ms); /* any thread */
bool id_is_valid(const char *text, size_t len);

/* The bytes of a UUID that is written as we and Genesys write them: lower case, with hyphens. False for any other text,
 * and for the nil UUID, whose bytes stand for no id. parts/track.lua makes the text of them again. */
#define ID_BYTES 16
bool id_pack(const char *text, uint8_t out[ID_BYTES]);
void id_unpack(const uint8_t bytes[ID_BYTES], char out[ID_SIZE]);

uint64_t random_u64(void); /* from the kernel; for jitter and ids, any thread */

#endif
