#include "producer/gateway/form.h"

#include <stdlib.h>

#include "common/mem.h"
#include "producer/gateway/exchange_mhd.h"

#define FORM_BUFFER ((size_t)16 << 10) /* bytes handed out at a time; the headers of a part must fit */

struct form {
    struct MHD_PostProcessor *processor;
    form_take_fn take;
    void *context;
    bool has_ended; /* the taker wanted no more */
};

static enum MHD_Result on_piece(void *context, enum MHD_ValueKind kind, const char *name, const char *file_name,
                                const char *type, const char *encoding, const char *data, uint64_t offset, size_t len)
{
    struct form *form = context;
    const struct form_piece piece = {name ? name : "", type ? type : "", offset, data, len};

    (void)kind;
    (void)file_name; /* a name of the client's machine */
    (void)encoding;
    if (!form->has_ended)
        form->has_ended = !form->take(form->context, &piece);
    return form->has_ended ? MHD_NO : MHD_YES;
}

struct form *form_open(struct exchange *exchange, form_take_fn take, void *context)
{
    struct form *form = mem_zalloc(1, sizeof(*form));

    *form = (struct form){.take = take, .context = context};
    form->processor = MHD_create_post_processor(exchange->connection, FORM_BUFFER, on_piece, form);
    if (form->processor)
        return form;
    free(form);
    return NULL;
}

bool form_add(struct form *form, const char *data, size_t len)
{
    return !form->has_ended && MHD_post_process(form->processor, data, len) == MHD_YES && !form->has_ended;
}

bool form_close(struct form *form)
{
    bool is_whole;

    if (!form)
        return true;
    is_whole = MHD_destroy_post_processor(form->processor) == MHD_YES && !form->has_ended;
    free(form);
    return is_whole;
}
