/* What receivers get: the tutorial's event, the two notifications of Open Messaging, and the signature over the bytes.
 *
 * The tutorial shows no failed event, so that its `data.reason` (the platform's reason code) is an addition of ours. */
#include "tests/sandbox/notice.h"

#include <string.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

static void render_status(const struct event *event, struct text *out)
{
    char time[TEXT_ISO_SIZE];
    clock_format_iso(event->time_ms, time);
    text_pair(out, "{\"id\":", event->id);
    text_pair(out, ",\"type\":\"messaging:messages:updated\",\"data\":{\"messageId\":", event->message->id);
    text_pair(out, ",\"status\":", stage_tutorial_name(event->stage));
    text_pair(out, ",\"timestamp\":", time);
    if (event->stage == STAGE_FAILED) {
        text_pair(out, ",\"reason\":", failure_name(event->failure));
    }
    text_say(out, "}}");
}

static void render_open(const struct event *event, struct text *out)
{
    const struct event_message *message = event->message;
    char time[TEXT_ISO_SIZE];
    clock_format_iso(event->time_ms, time);
    text_pair(out, "{\"id\":", message->id);
    text_pair(out, ",\"channel\":{\"id\":", event->hook.id);
    text_pair(out, ",\"platform\":\"Open\",\"type\":\"Private\",\"messageId\":", message->id);
    text_pair(out, ",\"to\":{\"id\":", message->to);
    text_pair(out, ",\"idType\":\"Opaque\"},\"from\":{\"id\":", message->from);
    text_pair(out, ",\"idType\":\"Opaque\"},\"time\":", time);
    text_pair(out, "},\"conversationId\":", message->conversation);
    text_say(out, ",\"direction\":\"Outbound\",");
    if (event->kind == EVENT_TEXT) {
        text_pair(out, "\"originatingEntity\":\"Human\",\"type\":\"Text\",\"text\":",
                  message->text == NULL ? "" : message->text);
        text_say(out, ",\"content\":[]}");
        return;
    }
    text_pair(out, "\"type\":\"Receipt\",\"status\":", stage_receipt_name(event->stage));
    if (event->stage == STAGE_FAILED) {
        text_pair(out, ",\"reasons\":[{\"code\":", failure_name(event->failure));
        text_pair(out, ",\"message\":", failure_message(event->failure));
        text_say(out, "}]");
    }
    text_say(out, event->is_final ? ",\"isFinalReceipt\":true}" : ",\"isFinalReceipt\":false}");
}

void notice_render(const struct event *event, struct text *out)
{
    switch (event->kind) {
    case EVENT_STATUS:
        render_status(event, out);
        break;
    case EVENT_RECEIPT:
    case EVENT_TEXT:
        render_open(event, out);
        break;
    }
}

void notice_sign(const char *secret, const char *bytes, size_t length, char ret_signature[NOTICE_SIGNATURE_SIZE])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    ret_signature[0] = '\0';
    if (secret[0] == '\0' ||
        HMAC(EVP_sha256(), secret, (int)strlen(secret), (const unsigned char *)bytes, length, digest, &size) == NULL) {
        return;
    }
    memcpy(ret_signature, "sha256=", 7);
    (void)EVP_EncodeBlock((unsigned char *)ret_signature + 7, digest, (int)size); /* 44 characters and a NUL */
}
