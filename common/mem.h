/* Memory that is there. Every buffer, batch and queue of Herald is bounded by a named maximum, so running out of memory
 * is a fault of the machine, not a state to carry on in: these end the program with a sentence. That is safe at any
 * instruction, because every message is in Redis at any instruction. */
#ifndef HERALD_COMMON_MEM_H
#define HERALD_COMMON_MEM_H

#include <stddef.h>

void *mem_zalloc(size_t count, size_t size);               /* zeroed; caller frees with free() */
void *mem_resize(void *memory, size_t count, size_t size); /* as realloc */
char *mem_copy(const char *data, size_t len);              /* with a NUL added; caller frees with free() */
char *mem_text(const char *text);                          /* NULL stays NULL */

#endif
