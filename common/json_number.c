#include "common/json_number.h"

#include <string.h>

static size_t count_digits(const char *data, size_t len)
{
    size_t digits = 0;

    while (digits < len && data[digits] >= '0' && data[digits] <= '9')
        digits++;
    return digits;
}

size_t json_number_length(const char *data, size_t len, bool *ret_is_whole)
{
    size_t at = len > 0 && data[0] == '-', digits = count_digits(data + at, len - at);

    *ret_is_whole = true;
    if (digits == 0 || (digits > 1 && data[at] == '0'))
        return 0;
    at += digits;
    if (at < len && data[at] == '.') {
        *ret_is_whole = false;
        digits = count_digits(data + at + 1, len - at - 1);
        if (digits == 0)
            return 0;
        at += 1 + digits;
    }
    if (at < len && (data[at] == 'e' || data[at] == 'E')) {
        *ret_is_whole = false;
        at++;
        at += at < len && (data[at] == '+' || data[at] == '-');
        digits = count_digits(data + at, len - at);
        if (digits == 0)
            return 0;
        at += digits;
    }
    return at;
}

bool json_number_fits(const char *data, size_t len)
{
    bool is_negative = data[0] == '-';
    const char *largest = is_negative ? "9223372036854775808" : "9223372036854775807";
    size_t digits = len - is_negative, most = strlen(largest);

    return digits < most || (digits == most && memcmp(data + is_negative, largest, digits) <= 0);
}
