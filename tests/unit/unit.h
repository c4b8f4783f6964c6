/* cmocka with the headers it wants before it, for every test program. */
#ifndef HERALD_TESTS_UNIT_H
#define HERALD_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif
