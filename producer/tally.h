/* What a run of a producer came to: how many rows, what became of them, what they cost, and some examples. */
#ifndef HERALD_PRODUCER_TALLY_H
#define HERALD_PRODUCER_TALLY_H

#include <stdint.h>
#include <stdio.h>

#include "common/buf.h"
#include "common/mask.h"
#include "common/sms.h"

#define TALLY_REASONS_MAX   32
#define TALLY_LANGUAGES_MAX 64
#define TALLY_EXAMPLES      3 /* for each language */

struct tally_reason {
    const char *code; /* static */
    uint64_t count;
};

struct tally_example {
    char to[MASK_SIZE];
    char *text; /* owned */
};

struct tally_language {
    const char *tag; /* borrowed from the template, or static */
    uint64_t count;
    struct tally_example examples[TALLY_EXAMPLES];
};

struct tally {
    uint64_t rows, valid, refused;
    struct tally_reason reasons[TALLY_REASONS_MAX];
    size_t reason_count;
    struct tally_language languages[TALLY_LANGUAGES_MAX];
    size_t language_count;
    uint64_t gsm7, ucs2, segments; /* SMS only */
    uint64_t accepted, duplicates; /* by Redis */
    int64_t elapsed_ms;
};

void tally_clear(struct tally *tally);
void tally_refused(struct tally *tally, const char *code);
void tally_language(struct tally *tally, const char *tag, struct span to, struct span text);
void tally_sms(struct tally *tally, const struct sms_cost *cost);

struct tally_about {
    const char *campaign;     /* NULL: none */
    const char *rejects_path; /* NULL: none were written */
    bool is_dry_run;
    bool has_sms;
};
void tally_print(FILE *out, const struct tally *tally, const struct tally_about *about);
/* The members of the object that tally_print_json prints, without the braces and without examples. */
void tally_write_json(const struct tally *tally, const struct tally_about *about, struct buf *out);
void tally_print_json(FILE *out, const struct tally *tally, const struct tally_about *about);

#endif
