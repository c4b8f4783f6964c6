/* What one message says and to whom, whichever route carries it: the values that the rules look at. A producer fills it
 * from a row and a template, a worker from a payload, and both go through the same checks. Spans are borrowed. */
#ifndef HERALD_COMMON_CONTENT_H
#define HERALD_COMMON_CONTENT_H

#include "common/channel.h"
#include "common/json.h"
#include "common/refusal.h"
#include "common/span.h"

enum consent { CONSENT_ABSENT, CONSENT_GIVEN, CONSENT_REFUSED };

#define CONTENT_PARAMETERS_MAX 20

struct content {
    enum channel channel;
    struct span from;            /* a number, or the id of an integration, deployment or participant */
    struct span to;              /* as channel_read_address gives it; the participant's id for a conversation */
    struct span text;            /* UTF-8 */
    struct span response_id;     /* the approved template instead of a text */
    struct span external_id;     /* the contact instead of an address (web messaging) */
    struct span conversation_id; /* for the conversation route */
    struct span origin;          /* URL of the page that a bot message claims to come from */
    enum consent consent;
    size_t parameter_count;
    struct span parameters[CONTENT_PARAMETERS_MAX]; /* values of the approved template, in order */
};

/* Whom it goes to, as the suppression set names people; "" for a message into a conversation. Returns `out`. */
const char *content_person(const struct content *content, char out[CHANNEL_PERSON_SIZE]);

/* The rules that routes share. Each returns 0 or fills `why`; `field` is the JSON pointer it names. */
int content_check_text(struct span text, size_t max_units, const char *field, struct refusal *why);
int content_check_consent(enum consent consent, bool is_needed, struct refusal *why);
int content_check_no_html(struct span text, const char *field, struct refusal *why);
int content_check_origin(struct span origin, const char *allowed_hosts, struct refusal *why);

#endif
