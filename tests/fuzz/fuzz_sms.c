/* Any bytes have a cost as SMS, and the cost agrees with itself. */
#include <stdlib.h>

#include "common/sms.h"
#include "common/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct sms_cost cost = sms_cost(text, size);
    size_t single = cost.encoding == SMS_GSM7 ? SMS_GSM7_SINGLE : SMS_UCS2_SINGLE;
    size_t part = cost.encoding == SMS_GSM7 ? SMS_GSM7_PART : SMS_UCS2_PART;

    if (cost.encoding == SMS_UCS2 && cost.units != utf8_utf16_units(text, size))
        abort();
    if (cost.units > 2 * size || (cost.units == 0) != (size == 0))
        abort();
    if ((cost.units <= single) != (cost.segments <= 1) || (cost.units == 0) != (cost.segments == 0))
        abort();
    /* At most one unit of a part stays unused. */
    if (cost.segments > 1 && (cost.segments * part < cost.units || (cost.segments - 1) * (part - 1) > cost.units))
        abort();
    return 0;
}
