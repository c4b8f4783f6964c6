/* Addresses as logs, the audit and error messages may show them: enough to recognise one's own, not enough to write to.
 * `+13175550199` becomes `+13*******99`, `ann@example.org` becomes `an*************`. */
#ifndef HERALD_COMMON_MASK_H
#define HERALD_COMMON_MASK_H

#include "common/span.h"

#define MASK_SIZE 48

const char *mask_address(struct span address, char out[MASK_SIZE]); /* returns out; cut to MASK_SIZE - 1 */

#endif
