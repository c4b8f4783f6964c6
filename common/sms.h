/* What a text costs as SMS: which alphabet it needs, how many units of it, and in how many parts (segments) it is sent,
 * which is what an operator charges for. The rules are those of 3GPP TS 23.038 (alphabets) and TS 23.040 (the six
 * octets of header that each part of a longer text gives up). Pure: bytes in, numbers out. */
#ifndef HERALD_COMMON_SMS_H
#define HERALD_COMMON_SMS_H

#include <stddef.h>

#define SMS_GSM7_SINGLE 160 /* septets of a text that is alone */
#define SMS_GSM7_PART   153 /* septets of one part of several */
#define SMS_UCS2_SINGLE 70  /* UTF-16 units of a text that is alone */
#define SMS_UCS2_PART   67  /* UTF-16 units of one part of several */

enum sms_encoding { SMS_GSM7, SMS_UCS2 };

struct sms_cost {
    enum sms_encoding encoding;
    size_t units;    /* septets (GSM-7; a character of the extension table is two) or UTF-16 units (UCS-2) */
    size_t segments; /* 0 for an empty text, which nobody sends */
};

/* A byte that is not UTF-8 counts as U+FFFD, which is what would be sent in its place. */
struct sms_cost sms_cost(const char *text, size_t len);

const char *sms_encoding_name(enum sms_encoding encoding); /* "GSM-7", "UCS-2" */

#endif
