#include "common/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *memory)
{
    if (!memory) {
        (void)fputs("herald: out of memory\n", stderr);
        abort();
    }
    return memory;
}

void *mem_zalloc(size_t count, size_t size)
{
    return must(calloc(count ? count : 1, size ? size : 1));
}

void *mem_resize(void *memory, size_t count, size_t size)
{
    size_t bytes = count * size;

    if (size > 0 && count > SIZE_MAX / size)
        return must(NULL);
    return must(realloc(memory, bytes > 0 ? bytes : 1));
}

char *mem_copy(const char *data, size_t len)
{
    char *copy = must(malloc(len + 1));

    if (len)
        memcpy(copy, data, len);
    copy[len] = '\0';
    return copy;
}

char *mem_text(const char *text)
{
    return text ? mem_copy(text, strlen(text)) : NULL;
}
